package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Difference is in what Amazon's truth about an order differs from ours about a shipment of it.
type Difference struct {
	Finding shipment.Finding // "" while nothing differs
	To      shipment.State   // what the shipment becomes; its own state where it stays what it is
	Kind    shipment.Kind
	Text    string
}

// Compare says in what an order, read at a moment, differs from what is known of a shipment of it. Amazon's reading side
// lags behind: what is younger than lag here proves nothing there. What is being sent or in doubt is left to those who
// wait for the answer, except where the order says for certain what became of it.
func Compare(s shipment.Shipment, o Order, read time.Time, lag time.Duration) Difference {
	if !o.Found || s.State == shipment.Transmitting {
		return Difference{}
	}
	if s.State == shipment.Confirmed {
		return compareConfirmed(s, o, read, lag)
	}
	if s.State == shipment.NotRequired {
		return compareNotRequired(s, o, read)
	}
	if f := Facts(s, o); f.To != "" && shipment.Allowed(shipment.Found, s.State, f.To) {
		return Difference{Finding: findingOf(f), To: f.To, Kind: f.Kind, Text: f.Text}
	}
	if s.State == shipment.Excluded && open(o) && !seen(s, shipment.StillOpen) && !read.Before(s.Since.Add(lag)) {
		return Difference{Finding: shipment.StillOpen, To: shipment.Excluded, Kind: s.Kind, Text: "Amazon shows the order as open: nobody has reported it there yet"}
	}
	return Difference{}
}

func compareConfirmed(s shipment.Shipment, o Order, read time.Time, lag time.Duration) Difference {
	if read.Before(s.Since.Add(lag)) {
		return Difference{}
	}
	switch {
	case o.Status == "CANCELLED" && !seen(s, shipment.OnItsWay):
		return Difference{Finding: shipment.OnItsWay, To: shipment.Confirmed, Kind: s.Kind, Text: "Amazon shows the order as cancelled: the parcel is on its way all the same"}
	case !open(o) || Facts(s, o).To != "":
		return Difference{}
	case s.Reopened > 0:
		return Difference{Finding: shipment.NoEffect, To: shipment.Deferred, Kind: shipment.Rejected,
			Text: fmt.Sprintf("Amazon accepted the confirmation and shows the order as %s once more", status(o))}
	}
	return Difference{Finding: shipment.NoEffect, To: shipment.Deferred, Kind: shipment.Transient,
		Text: fmt.Sprintf("Amazon accepted the confirmation and shows the order as %s", status(o))}
}

// ByItself is how long Amazon is given to confirm an order whose label it has sold. It does so when the label is bought,
// which may be announced here before.
const ByItself = 24 * time.Hour

// compareNotRequired finds out about labels that were not bought from Amazon after all: without a confirmation Amazon
// cancels the order.
func compareNotRequired(s shipment.Shipment, o Order, read time.Time) Difference {
	told := s.Shown != nil && s.Shown.Finding == shipment.StillOpen
	switch f := Facts(s, o); {
	case f.To == shipment.Confirmed && told:
		return Difference{Finding: shipment.ShippedThere, To: shipment.Confirmed, Kind: shipment.Elsewhere, Text: f.Text}
	case f.To != "" || !open(o) || told || read.Before(s.Since.Add(ByItself)):
		return Difference{}
	}
	return Difference{Finding: shipment.StillOpen, To: shipment.NotRequired, Kind: s.Kind, Text: "Amazon shows the order as open a day later: it has not confirmed it by itself"}
}

// open reports whether Amazon still waits for a confirmation of the order.
func open(o Order) bool { return o.Status == "UNSHIPPED" || o.Status == "PARTIALLY_SHIPPED" }

func findingOf(r Reading) shipment.Finding {
	switch r.To {
	case shipment.Closed:
		return shipment.CancelledThere
	case shipment.NotRequired:
		return shipment.NotOurs
	}
	return shipment.ShippedThere
}

// seen reports whether the finding was told of already since the shipment is in its state.
func seen(s shipment.Shipment, f shipment.Finding) bool {
	return s.Shown != nil && s.Shown.Finding == f && !s.Shown.At.Before(s.Since)
}

// References are the references of the packages Amazon knows, for the record.
func (o Order) References() []string {
	var out []string
	for _, p := range o.Packages {
		out = append(out, p.Reference)
	}
	slices.Sort(out)
	return out
}
