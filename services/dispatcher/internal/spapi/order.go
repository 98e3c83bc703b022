package spapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// The order states, programmes and fulfilment channels that matter to a confirmation, as Amazon spells them.
const (
	StatusPendingAvailability = "PENDING_AVAILABILITY"
	StatusPending             = "PENDING"
	StatusUnshipped           = "UNSHIPPED"
	StatusPartiallyShipped    = "PARTIALLY_SHIPPED"
	StatusShipped             = "SHIPPED"
	StatusCancelled           = "CANCELLED"
	StatusUnfulfillable       = "UNFULFILLABLE"

	ByMerchant = "MERCHANT"
	ByAmazon   = "AMAZON"

	ProgramPrime        = "PRIME"
	ProgramShipPlus     = "FBM_SHIP_PLUS"
	ProgramEasyShip     = "AMAZON_EASY_SHIP"
	ProgramTransparency = "TRANSPARENCY" // of an item
)

// Order is what Amazon knows of an order, as far as it concerns shipping; nothing about people. The zero Order means
// not found. Times Amazon leaves out, or spells in no known way, are zero.
type Order struct {
	Found        bool
	ID           string
	OwnNumber    string // the seller's own number, where he has given Amazon one
	Marketplace  string // id
	Status       string
	FulfilledBy  string
	ServiceLevel string
	Programs     []string
	ShipBy       time.Time
	LastUpdated  time.Time
	Items        []OrderItem
	Packages     []Package
}

// OrderItem is one line of an order, in units. CancelRequested says that the buyer asks for cancellation, CancelledBy
// who has cancelled.
type OrderItem struct {
	ID              string
	Ordered         int
	Fulfilled       int
	Unfulfilled     int
	Programs        []string
	CancelRequested bool
	CancelledBy     string
}

// Package is a confirmed package. Reference need not be numeric: packages made by Amazon have references of its own.
type Package struct {
	Reference   string
	Carrier     string
	Service     string
	Tracking    string
	ShipTime    time.Time
	CreatedTime time.Time
	Status      string
	Items       []PackageItem
}

// PackageItem is a part of a package, in units.
type PackageItem struct {
	ID       string
	Quantity int
}

// included are the data sets asked for; never BUYER or RECIPIENT.
const included = "FULFILLMENT,PACKAGES,CANCELLATION"

// Order reads an order back, on a quota of its own but the same breaker. Found is false for a 404 and for the empty
// order Amazon has been seen to answer; then, and only with an answer of class ok or data, the order is known not to be
// there. Every other class means that nothing is known. Errors of waiting, as Ready has them, are in Answer.Err.
func (c *Client) Order(ctx context.Context, orderID string) (Order, Answer) {
	if err := c.admit(ctx, false); err != nil {
		return Order{}, heldBack(err)
	}
	return c.read(ctx, orderID)
}

// read is Order, also while the connection is refused.
func (c *Client) read(ctx context.Context, orderID string) (Order, Answer) {
	t, err := c.board(ctx, c.order)
	if err != nil {
		return Order{}, heldBack(err)
	}
	req, err := c.request(http.MethodGet, "/orders/2026-01-01/orders/"+url.PathEscape(orderID)+"?includedData="+included, t.access, nil)
	if err != nil {
		t.token.Return()
		t.report(outcome.Excluded, "")
		return Order{}, unsent(outcome.Read, outcome.CodeWithdrawn, fmt.Errorf("read order %s: %w", orderID, err))
	}
	var o Order
	r := c.send(ctx, t, req, outcome.Read, maxOrderBody, func(body []byte) (err error) { o, err = decodeOrder(body); return err })
	if r.Rule.Class != outcome.OK {
		return Order{}, r.Answer
	}
	return o, r.Answer
}

// heldBack turns an error of waiting into an answer.
func heldBack(err error) Answer {
	var refusal *AccountError
	switch {
	case errors.As(err, &refusal):
		a := unsent(outcome.Read, outcome.CodeHeld, err)
		a.Rule = refusal.Rule
		return a
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unsent(outcome.Read, outcome.CodeWithdrawn, err)
	default:
		return unsent(outcome.Read, outcome.CodeHeld, err)
	}
}

// wireOrder has the fields we ask for and no others, so that nothing about people is ever held. Lenient types: one
// strange field must not hide the packages. Source: Amazon's model orders_2026-01-01.json, Order.
type wireOrder struct {
	OrderID text `json:"orderId"`
	Aliases []struct {
		ID   text `json:"aliasId"`
		Type text `json:"aliasType"`
	} `json:"orderAliases"`
	LastUpdated  instant  `json:"lastUpdatedTime"`
	Programs     []string `json:"programs"`
	SalesChannel struct {
		Marketplace text `json:"marketplaceId"`
	} `json:"salesChannel"`
	Fulfillment struct {
		Status       text `json:"fulfillmentStatus"`
		FulfilledBy  text `json:"fulfilledBy"`
		ServiceLevel text `json:"fulfillmentServiceLevel"`
		ShipByWindow struct {
			Latest instant `json:"latestDateTime"`
		} `json:"shipByWindow"`
	} `json:"fulfillment"`
	Items []struct {
		ID          text     `json:"orderItemId"`
		Ordered     int      `json:"quantityOrdered"`
		Programs    []string `json:"programs"`
		Fulfillment struct {
			Fulfilled   int `json:"quantityFulfilled"`
			Unfulfilled int `json:"quantityUnfulfilled"`
		} `json:"fulfillment"`
		Cancellation struct {
			Request *struct {
				Requester text `json:"requester"`
			} `json:"cancellationRequest"`
			Execution struct {
				By text `json:"cancelledBy"`
			} `json:"cancellationExecution"`
		} `json:"cancellation"`
	} `json:"orderItems"`
	Packages []struct {
		Reference text    `json:"packageReferenceId"`
		Created   instant `json:"createdTime"`
		Status    struct {
			Status text `json:"status"`
		} `json:"packageStatus"`
		Carrier  text    `json:"carrier"`
		Service  text    `json:"shippingService"`
		ShipTime instant `json:"shipTime"`
		Tracking text    `json:"trackingNumber"`
		Items    []struct {
			ID       text `json:"orderItemId"`
			Quantity int  `json:"quantity"`
		} `json:"packageItems"`
	} `json:"packages"`
}

// instant is a time that is zero when it cannot be read.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			i.Time = t.UTC()
		}
	}
	return nil
}

// decodeOrder reads the body of a 200. An answer without an order, or with one that has no id, means not found; an
// answer that is not JSON is an error, for then nothing is known.
func decodeOrder(body []byte) (Order, error) {
	var w struct {
		Order *wireOrder `json:"order"`
	}
	if !object(body) {
		return Order{}, errors.New("decode order: not a JSON object")
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return Order{}, fmt.Errorf("decode order: %w", err)
	}
	if w.Order == nil {
		return Order{}, nil
	}
	return w.Order.order(), nil
}

func object(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) }

// order is the zero Order where the id is missing.
func (w *wireOrder) order() Order {
	if w.OrderID == "" {
		return Order{}
	}
	o := Order{
		Found: true, ID: string(w.OrderID), Marketplace: string(w.SalesChannel.Marketplace), Status: string(w.Fulfillment.Status),
		FulfilledBy: string(w.Fulfillment.FulfilledBy), ServiceLevel: string(w.Fulfillment.ServiceLevel), Programs: w.Programs,
		ShipBy: w.Fulfillment.ShipByWindow.Latest.Time, LastUpdated: w.LastUpdated.Time,
	}
	for _, a := range w.Aliases {
		if a.Type == "SELLER_ORDER_ID" {
			o.OwnNumber = string(a.ID)
		}
	}
	for _, i := range w.Items {
		o.Items = append(o.Items, OrderItem{
			ID: string(i.ID), Ordered: i.Ordered, Fulfilled: i.Fulfillment.Fulfilled, Unfulfilled: i.Fulfillment.Unfulfilled,
			Programs: i.Programs, CancelRequested: i.Cancellation.Request != nil, CancelledBy: string(i.Cancellation.Execution.By),
		})
	}
	for _, p := range w.Packages {
		pack := Package{
			Reference: string(p.Reference), Carrier: string(p.Carrier), Service: string(p.Service), Tracking: string(p.Tracking),
			ShipTime: p.ShipTime.Time, CreatedTime: p.Created.Time, Status: string(p.Status.Status),
		}
		for _, i := range p.Items {
			pack.Items = append(pack.Items, PackageItem{ID: string(i.ID), Quantity: i.Quantity})
		}
		o.Packages = append(o.Packages, pack)
	}
	return o
}
