package demo

import (
	"fmt"
	"text/tabwriter"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/shared/shipment"
)

// table prints every state with how many shipments are in it, and how many ever were.
func (s *Story) table(books audit.Books, a audit.Accounts) {
	ever := map[shipment.State]map[shipment.Key]bool{}
	now := map[shipment.Key]shipment.State{}
	for _, e := range books.Ledger {
		if ever[e.After.State] == nil {
			ever[e.After.State] = map[shipment.Key]bool{}
		}
		ever[e.After.State][e.After.Key] = true
		now[e.After.Key] = e.After.State
	}
	count := map[shipment.State]int{}
	for _, state := range now {
		count[state]++
	}
	s.say("")
	w := tabwriter.NewWriter(s.cfg.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "state\tnow\tever\tflag\t")
	for _, state := range shipment.States {
		flag := ""
		if state.Flagged() {
			flag = "yes"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t\n", state, count[state], len(ever[state]), flag)
	}
	fmt.Fprintf(w, "accepted\t%d\t\t\t\n", a.Accepted)
	_ = w.Flush()
	s.say("\nNot taken in: %d unusable, %d that contradict what is known, %d known already.", a.Invalid, a.Differs, a.AlreadyKnown)
	s.say("Proof: %d lost, %d confirmed twice, %d sent again with the recorded body after a doubt.", a.Lost, a.ConfirmedTwice, a.ResentIdentical)
}
