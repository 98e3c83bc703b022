package ledger_test

import (
	"fmt"
	"testing"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

// The answer holds all packages of each order, also where the server does not tell of so many at once.
func TestOrders(t *testing.T) {
	_, l := start(t)
	fill(t, l, 600)
	var keys []shipment.Key
	var more []ledger.Draft
	for i := range 600 {
		keys = append(keys, key(i))
		for p := range 3 {
			if i%2 == 0 {
				k := key(i)
				k.Package = fmt.Sprint(p + 2)
				more = append(more, ledger.Draft{Entry: entry(t, shipment.Shipment{}, report(k, fmt.Sprint(i, "-", p)))})
			}
		}
	}
	all := map[shipment.Key]string{}
	for _, r := range l.AppendAll(bounded(t), more) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		all[r.Entry.After.Key] = r.Entry.ID
		keys = append(keys, r.Entry.After.Key)
	}
	for i := range 600 {
		all[key(i)] = fmt.Sprint("id", i)
	}
	got, err := l.Orders(bounded(t), append(keys, key(7000)))
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d packages of %d, %v", len(got), len(all), err)
	}
	for k, e := range got {
		if all[k] != e.ID || e.After.Key != k || e.Seq == 0 {
			t.Errorf("%s is %s at %d, want %s", k, e.ID, e.Seq, all[k])
		}
	}
	if got, err := l.Orders(bounded(t), nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}
