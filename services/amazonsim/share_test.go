package amazonsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// The same seed hits the same requests, whatever order concurrent clients come in; another seed does not.
func TestSharesAreDeterministic(t *testing.T) {
	const n = 400
	hits := func(seed uint64, backwards bool) []string {
		sim, err := amazonsim.New(amazonsim.Options{Seed: seed, Scenario: amazonsim.Scenario{
			Generate: []amazonsim.Generate{{Count: n}}, Quotas: wide(),
			Faults: []amazonsim.Fault{{Kind: amazonsim.FaultErrorAfter, Share: 0.25}}}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, sim: sim}
		b.token = b.login()
		for i := range n {
			k := i + 1
			if backwards {
				k = n - i
			}
			b.confirm(fmt.Sprintf("900-0000000-%07d", k), body(pack{
				tracking: fmt.Sprint(k), items: units(fmt.Sprintf("900%08d001", k), 1)}))
		}
		var hit []string
		for _, c := range sim.Record() {
			if !c.Committed {
				t.Fatalf("not committed: %+v", c)
			}
			if c.Status == 500 {
				hit = append(hit, c.OrderID)
			}
		}
		slices.Sort(hit)
		return hit
	}
	once, again, other := hits(3, false), hits(3, true), hits(4, false)
	if !slices.Equal(once, again) {
		t.Fatalf("the same seed hit %d and %d requests", len(once), len(again))
	}
	if slices.Equal(once, other) || len(once) < n/8 || len(once) > n/2 {
		t.Fatalf("%d hits of %d, another seed %d", len(once), n, len(other))
	}
}

// A share strikes some of the requests that are about no order here, too, and the same ones each time.
func TestSharesOfWhatIsAboutNoOrder(t *testing.T) {
	const n = 200
	pattern := func(seed uint64) (out [3]string) {
		sim, err := amazonsim.New(amazonsim.Options{Seed: seed, Scenario: amazonsim.Scenario{Quotas: wide(), Faults: []amazonsim.Fault{
			{Kind: amazonsim.FaultThrottle, Share: 0.25}, {Kind: amazonsim.FaultThrottle, Operation: amazonsim.OpToken, Share: 0.25}}}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, sim: sim}
		for range n {
			w := b.tokenRequest(defaultForm().Encode(), formType)
			if out[0] += fmt.Sprint(w.Code / 100); w.Code == http.StatusOK {
				b.token = accessToken(t, w)
			}
		}
		for range n {
			out[1] += fmt.Sprint(b.do("GET", "/orders/2026-01-01/orders?lastUpdatedAfter="+long, "").Code == http.StatusTooManyRequests)
			out[2] += fmt.Sprint(b.get("302-9999999-9999999").Code == http.StatusTooManyRequests)
		}
		return out
	}
	once, again, other := pattern(3), pattern(3), pattern(4)
	if once != again || once == other {
		t.Fatal("the same seed did not hit the same requests, or another one did")
	}
	for i, struck := range []int{strings.Count(once[0], "4"), strings.Count(once[1], "true"), strings.Count(once[2], "true")} {
		if struck < n/8 || struck > n/2 {
			t.Errorf("%s: %d of %d were struck", []string{"tokens", "searches", "an unknown order"}[i], struck, n)
		}
	}
}
