package amazonsim

import (
	"slices"
	"sort"
	"time"
)

// Call is one request of confirmShipment, getOrder or searchOrders as the simulator saw it.
type Call struct {
	Seq       uint64    `json:"seq"` // from 1, in the order of processing
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
	Seller    string    `json:"seller,omitempty"` // empty when the access token named none
	OrderID   string    `json:"orderId"`
	RequestID string    `json:"requestId"` // x-amzn-RequestId
	// Status is the HTTP status that was sent, 0 when the connection was reset or held instead.
	Status  int    `json:"status"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Fault is the fault that decided the call, and Slowed how long its answer was held back.
	Fault  FaultKind `json:"fault,omitempty"`
	Slowed Duration  `json:"slowed,omitempty"`

	// Of confirmShipment. BodySHA256 tells whether two requests were identical.
	PackageReferenceID string `json:"packageReferenceId,omitempty"`
	Carrier            string `json:"carrier,omitempty"`
	TrackingNumber     string `json:"trackingNumber,omitempty"`
	BodySHA256         string `json:"bodySha256,omitempty"`
	Committed          bool   `json:"committed,omitempty"` // a package was made or changed
	Edit               bool   `json:"edit,omitempty"`      // the package was there before

	// Of getOrder: the status and the package references that the answer showed.
	ShownStatus   Status   `json:"shownStatus,omitempty"`
	ShownPackages []string `json:"shownPackages,omitempty"`

	// Of searchOrders: what was asked, and how many orders the page showed.
	Search      string `json:"search,omitempty"`
	ShownOrders int    `json:"shownOrders,omitempty"`
}

// record keeps the latest calls, at most limit and a tenth more.
type record struct {
	limit int
	last  uint64
	calls []Call
}

// add numbers the call and keeps it.
func (r *record) add(c Call) Call {
	r.last++
	c.Seq = r.last
	r.calls = append(r.calls, c)
	if excess := len(r.calls) - r.limit; excess > r.limit/10 {
		r.calls = slices.Delete(r.calls, 0, excess)
	}
	return c
}

// after returns at most limit calls with a greater sequence number; no limit when it is 0.
func (r *record) after(seq uint64, limit int) []Call {
	i := sort.Search(len(r.calls), func(i int) bool { return r.calls[i].Seq > seq })
	found := r.calls[i:]
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return slices.Clone(found)
}
