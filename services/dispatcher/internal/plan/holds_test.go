package plan

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/shipment"
)

func parcel(account, carrier string) shipment.Shipment {
	return shipment.Shipment{Account: shipment.AccountID(account), State: shipment.Pending, Data: shipment.Data{Carrier: carrier}}
}

func failed(s shipment.Shipment, print string) shipment.Shipment {
	s.State, s.Fingerprint = shipment.Deferred, print
	return s
}

func TestTwentyOfThirtyHoldAGroup(t *testing.T) {
	var h Holds
	bad, good := parcel("DE", "HERMEZ"), parcel("DE", "DHL")
	for i := range 10 {
		h.Answer(good, "", "")
		if h.Answer(bad, "carrier-1", "carrier") {
			t.Fatalf("held after %d refusals", i+1)
		}
	}
	for i := 11; i < 20; i++ {
		if h.Answer(bad, "carrier-1", "carrier") || h.Held(bad) {
			t.Fatalf("held after %d refusals", i)
		}
	}
	if !h.Answer(bad, "carrier-1", "carrier") {
		t.Fatal("20 of the last 30 answers and nothing is held")
	}
	corrected := failed(parcel("DE", "DHL"), "carrier-1")
	corrected.Changed = true
	stillBad := failed(bad, "carrier-1")
	stillBad.Changed = true // the tracking number was corrected, the carrier was not
	for _, row := range []struct {
		name string
		s    shipment.Shipment
		held bool
	}{
		{"refused for it earlier", failed(parcel("DE", "OTHER"), "carrier-1"), true},
		{"new, with the carrier that causes it", parcel("DE", "hermez"), true},
		{"new, with another carrier", good, false},
		{"new, with that carrier in another account, which has a mapping of its own", parcel("FR", "HERMEZ"), false},
		{"refused for something else", failed(good, "tracking-9"), false},
		{"corrected since", corrected, false},
		{"corrected, but not what causes it", stillBad, true},
	} {
		if got := h.Held(row.s); got != row.held {
			t.Errorf("%s: held %v, want %v", row.name, got, row.held)
		}
	}
}

func TestAFewStrayRefusalsHoldNoOtherCarrier(t *testing.T) {
	var h Holds
	for i := range 20 {
		carrier := "HERMEZ"
		if i >= 18 {
			carrier = "DHL" // the latest two, of twenty
		}
		h.Answer(parcel("DE", carrier), "carrier-1", "carrier")
	}
	if !h.Held(parcel("DE", "HERMEZ")) || h.Held(parcel("DE", "DHL")) {
		t.Errorf("held: the cause %v, a stray %v", h.Held(parcel("DE", "HERMEZ")), h.Held(parcel("DE", "DHL")))
	}
}

func TestASecondCarrierJoinsTheHeldGroup(t *testing.T) {
	var h Holds
	for range 20 {
		h.Answer(parcel("DE", "HERMEZ"), "carrier-1", "carrier")
	}
	second := parcel("DE", "GLZ")
	for i := range 3 {
		if h.Held(second) {
			t.Fatalf("held after %d refusals", i)
		}
		h.Answer(second, "carrier-1", "carrier")
	}
	if !h.Held(second) {
		t.Error("a second carrier that Amazon refuses in the same words is sent on and on")
	}
}

func TestADefectOfNoMappingHoldsWhatHasFailedOnly(t *testing.T) {
	var h Holds
	for range 30 {
		h.Answer(parcel("DE", "DHL"), "date-1", "shipDate")
	}
	if h.Held(parcel("DE", "DHL")) || !h.Held(failed(parcel("DE", "DHL"), "date-1")) {
		t.Error("a defect that is not the carrier's holds new shipments of the carrier, or not the failed ones")
	}
}

// naive keeps every answer and counts anew each time.
type naive struct {
	all    []answer
	prints map[string]bool
	causes map[string]bool
}

func (n *naive) answer(a answer) {
	n.all = append(n.all, a)
	last := n.all[max(0, len(n.all)-30):]
	same := func(match func(answer) bool) (k int) {
		for _, x := range last {
			if match(x) {
				k++
			}
		}
		return k
	}
	if a.print == "" {
		return
	}
	if same(func(x answer) bool { return x.print == a.print }) >= 20 {
		n.prints[a.print] = true
	}
	for _, x := range last {
		if n.prints[a.print] && x.cause != "" && same(func(y answer) bool { return y.print == a.print && y.cause == x.cause }) >= 3 {
			n.causes[x.cause] = true
		}
	}
}

func TestHoldsAgainstANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Holds
		n := naive{prints: map[string]bool{}, causes: map[string]bool{}}
		share := rapid.IntRange(0, 100).Draw(t, "share of the usual failure")
		for range rapid.IntRange(0, 120).Draw(t, "answers") {
			s := parcel(rapid.SampledFrom([]string{"DE", "FR"}).Draw(t, "account"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "carrier"))
			print := "p1"
			if rapid.IntRange(0, 99).Draw(t, "luck") >= share {
				print = rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "print")
			}
			field, a := "", answer{print: print}
			if print == "p1" {
				field, a.cause = "carrier", cause(s)
			}
			before := fmt.Sprint(n.prints, n.causes)
			n.answer(a)
			if grew := h.Answer(s, print, field); grew != (before != fmt.Sprint(n.prints, n.causes)) {
				t.Fatalf("grew %v: %s then %v %v", grew, before, n.prints, n.causes)
			}
			for _, account := range []string{"DE", "FR"} {
				for _, carrier := range []string{"a", "b", "c"} {
					for _, print := range []string{"", "p1", "p2"} {
						s := failed(parcel(account, carrier), print)
						want := print != "" && n.prints[print] || n.causes[cause(s)]
						if h.Held(s) != want {
							t.Fatalf("%s %s %q: held %v, want %v", account, carrier, print, !want, want)
						}
					}
				}
			}
		}
	})
}
