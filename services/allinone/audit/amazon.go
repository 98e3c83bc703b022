package audit

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/shipment"
)

// parcel names a package at Amazon, where connections are unknown.
type parcel struct{ order, reference string }

// amazon compares the ledger with Amazon's record and orders.
func (s *settling) amazon(calls []amazonsim.Call, orders []amazonsim.Order) {
	byOrder := map[string][]amazonsim.Call{}
	for _, c := range calls {
		byOrder[c.OrderID] = append(byOrder[c.OrderID], c)
	}
	present := map[parcel]bool{}
	known := map[parcel]bool{}
	for k := range s.heads {
		known[parcel{k.Order, k.Package}] = true
	}
	for _, o := range orders {
		for _, p := range o.Packages {
			present[parcel{o.ID, p.Reference}] = true
			if p.Origin == amazonsim.OriginCall && !known[parcel{o.ID, p.Reference}] {
				s.twice(shipment.Key{Order: o.ID, Package: p.Reference}, "Amazon has a package the ledger never asked for")
			}
		}
	}
	for k, e := range s.heads {
		s.unshipped(k, e.After, byOrder[k.Order], present)
		s.doubled(k, byOrder[k.Order])
	}
}

// unshipped finds shipments confirmed by us whose package Amazon lacks, unless Amazon's side was told to drop it.
func (s *settling) unshipped(k shipment.Key, at shipment.Shipment, calls []amazonsim.Call, present map[parcel]bool) {
	if at.State != shipment.Confirmed || at.Kind == shipment.Elsewhere || present[parcel{k.Order, k.Package}] {
		return
	}
	dropped := slices.ContainsFunc(calls, func(c amazonsim.Call) bool {
		return c.PackageReferenceID == k.Package && c.Fault == amazonsim.FaultSilentDrop
	})
	if !dropped {
		s.lost(k, "the ledger says confirmed, and Amazon has no such package")
	}
}

// effective reports whether the call confirmed the package, answered or not.
func effective(c amazonsim.Call) bool {
	return c.Operation == amazonsim.OpConfirmShipment && (c.Status == http.StatusNoContent || c.Committed)
}

// doubled finds two effective confirmations of a shipment with nothing between them that asked for the second.
func (s *settling) doubled(k shipment.Key, calls []amazonsim.Call) {
	var last *amazonsim.Call
	missing := false
	for i, c := range calls {
		if c.Operation == amazonsim.OpGetOrder && readMissing(c, k.Package) {
			missing = true
		}
		if !effective(c) || c.PackageReferenceID != k.Package {
			continue
		}
		if last != nil && !missing && !s.asked(k, *last, c) {
			s.twice(k, fmt.Sprintf("calls %d and %d", last.Seq, c.Seq))
		}
		last, missing = &calls[i], false
	}
}

// readMissing reports whether the call told the reader that the package is not there.
func readMissing(c amazonsim.Call, reference string) bool {
	if c.Status != http.StatusOK && c.Status != http.StatusNotFound {
		return false
	}
	return !slices.Contains(c.ShownPackages, reference)
}

// asked reports whether the ledger holds, between two calls, a correction or a reopening of the shipment.
func (s *settling) asked(k shipment.Key, first, second amazonsim.Call) bool {
	var before shipment.State
	for _, e := range s.history[k] {
		between := !e.At.Before(first.Time) && !e.At.After(second.Time)
		reopened := e.Type == shipment.Found && before == shipment.Confirmed && e.After.State == shipment.Deferred
		corrected := e.Type == shipment.Amended || e.Type == shipment.Attempted && e.After.Attempt != nil && e.After.Attempt.Correction
		if between && (reopened || corrected) {
			return true
		}
		before = e.After.State
	}
	return false
}
