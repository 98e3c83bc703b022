package api

import (
	"time"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// val is what p points to, or nothing.
func val[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// opt leaves out what is empty.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// texts turns a list of one kind of text into another; absent stays absent.
func texts[To, From ~string](in *[]From) []To {
	if in == nil {
		return nil
	}
	out := make([]To, len(*in))
	for i, v := range *in {
		out[i] = To(v)
	}
	return out
}

func filter(f gen.Filter) ops.Filter {
	return ops.Filter{Accounts: texts[shipment.AccountID](f.Accounts), States: texts[shipment.State](f.States), Kind: shipment.Kind(val(f.Kind)),
		Flagged: val(f.Flagged), Search: val(f.Search), Fingerprint: val(f.Fingerprint), DeferredUntil: val(f.DeferredUntil)}
}

func selection(keys *[]gen.Key, f *gen.Filter) ops.Selection {
	var sel ops.Selection
	for _, k := range val(keys) {
		sel.Keys = append(sel.Keys, shipment.Key{Connection: shipment.ConnectionID(k.Connection), Order: k.Order, Package: k.Package})
	}
	if f != nil {
		of := filter(*f)
		sel.Filter = &of
	}
	return sel
}

func key(k shipment.Key) gen.Key {
	return gen.Key{Connection: gen.ConnectionId(k.Connection), Order: k.Order, Package: k.Package}
}

func items(in *[]gen.Item) []shipment.Item {
	var out []shipment.Item
	for _, i := range val(in) {
		out = append(out, shipment.Item{OrderItemID: i.OrderItemId, Quantity: i.Quantity, TransparencyCodes: val(i.TransparencyCodes)})
	}
	return out
}

func shown(s shipment.Shipment) gen.Shipment {
	return gen.Shipment{Connection: gen.ConnectionId(s.Connection), Order: s.Order, Package: s.Package, Account: gen.AccountId(s.Account),
		State: gen.State(s.State), Kind: opt(gen.Kind(s.Kind)), Flagged: s.State.Flagged(), Data: data(s.Data), AcceptedAt: s.AcceptedAt, Since: s.Since,
		Attempts: s.Attempts, AgeWaiver: s.AgeWaiver, Corrected: s.Changed, LastRun: opt(s.LastRun), Fingerprint: opt(s.Fingerprint),
		Answer: answer(s.Answer), Remedy: remedy(ops.RemedyFor(s)), Shown: atAmazon(s.Shown)}
}

func atAmazon(s *shipment.Shown) *gen.Shown {
	if s == nil {
		return nil
	}
	out := gen.Shown{At: s.At, Finding: gen.ShownFinding(s.Finding), Status: s.Status}
	if len(s.Packages) > 0 {
		out.Packages = &s.Packages
	}
	return &out
}

func data(d shipment.Data) gen.ShipmentData {
	out := gen.ShipmentData{ShippedAt: d.ShippedAt, ShipBy: moment(d.ShipBy), Carrier: opt(d.Carrier), Service: opt(d.Service), TrackingNumber: opt(d.Tracking),
		LabelSource: opt(string(d.LabelSource)), Reference: opt(d.Reference), Source: opt(d.Source)}
	if len(d.Programs) > 0 {
		out.Programs = &d.Programs
	}
	if len(d.Items) > 0 {
		list := make([]gen.Item, len(d.Items))
		for i, it := range d.Items {
			list[i] = gen.Item{OrderItemId: it.OrderItemID, Quantity: it.Quantity}
			if len(it.TransparencyCodes) > 0 {
				list[i].TransparencyCodes = &it.TransparencyCodes
			}
		}
		out.Items = &list
	}
	return out
}

func answer(a *shipment.Answer) *gen.Answer {
	if a == nil {
		return nil
	}
	return &gen.Answer{At: a.At, Status: opt(a.Status), Code: opt(a.Code), Message: opt(a.Message), RequestId: opt(a.RequestID), Rule: opt(a.Rule), Field: opt(a.Field)}
}

func remedy(t outcome.Text) *gen.Text {
	if t == (outcome.Text{}) {
		return nil
	}
	return &gen.Text{De: t.DE, En: t.EN}
}

func changes(in []shipment.Change) []gen.Change {
	out := make([]gen.Change, len(in))
	for i, c := range in {
		out[i] = gen.Change{Field: c.Field, Old: c.Old, New: c.New}
	}
	return out
}

func entry(e shipment.Entry) gen.HistoryEntry {
	out := gen.HistoryEntry{Sequence: int64(e.Seq), Id: e.ID, Type: gen.HistoryEntryType(e.Type), At: e.At, Actor: opt(e.Actor), Run: opt(e.Run),
		Comment: opt(e.Comment), State: gen.State(e.After.State), Kind: opt(gen.Kind(e.After.Kind)), AgeWaiver: opt(e.Waiver), Answer: answer(e.Answer), Shown: atAmazon(e.Shown)}
	if e.Type == shipment.Outcome {
		out.Answer = answer(e.After.Answer)
	}
	if len(e.Changes) > 0 {
		list := changes(e.Changes)
		out.Changes = &list
	}
	if a := e.After.Attempt; e.Type == shipment.Attempted && a != nil {
		out.Attempt = &gen.Attempt{Id: a.ID, N: a.N, Run: a.Run, Transport: string(a.Transport), At: a.At, Hash: opt(a.Hash), Resend: opt(a.Resend)}
	}
	return out
}

func verdict(v door.Verdict) gen.Verdict {
	out := gen.Verdict{Result: gen.VerdictResult(v.Result), Account: v.Account, State: opt(gen.State(v.State)), Problems: problems(v.Problems),
		Warnings: problems(v.Warnings), Changes: changes(v.Changes)}
	if v.Key != (shipment.Key{}) {
		out.Shipment = ptr(key(v.Key))
	}
	return out
}

func problems(in []door.Problem) []gen.Problem {
	out := make([]gen.Problem, len(in))
	for i, p := range in {
		out[i] = gen.Problem{Field: opt(p.Field), Text: p.Text}
	}
	return out
}

func bulk(b ops.Bulk) gen.BulkResponse {
	out := gen.BulkResponse{Done: b.Done, Failed: b.Failed, Items: make([]gen.BulkItem, len(b.Items)), Runs: []string{}}
	out.Runs = append(out.Runs, b.Runs...)
	for i, it := range b.Items {
		out.Items[i] = gen.BulkItem{Connection: gen.ConnectionId(it.Key.Connection), Order: it.Key.Order, Package: it.Key.Package, State: opt(gen.State(it.State))}
		if it.Err != nil {
			out.Items[i].Error = ptr(body(it.Err))
		}
	}
	return out
}

func counts(c job.Counts) gen.RunCounts {
	return gen.RunCounts{Attempts: c.Attempts, Confirmed: c.Confirmed, Deferred: c.Deferred, Doubt: c.Doubt, NotRequired: c.NotRequired, Closed: c.Closed,
		Expired: c.Expired, Released: c.Released, Skipped: c.Skipped, Throttled: c.Throttled}
}

func run(r ops.Run) gen.Run {
	t, l := r.Trigger, r.Log
	out := gen.Run{Id: r.ID, Connection: gen.ConnectionId(r.Connection), Accounts: []gen.AccountId{}, Kind: gen.RunKind(t.Kind), Scope: gen.RunScope(t.Scope),
		Phase: gen.Asked, Actor: t.Actor, Reason: opt(t.Reason), AskedAt: t.At, Slot: moment(t.Slot)}
	for _, id := range t.Accounts {
		out.Accounts = append(out.Accounts, gen.AccountId(id))
	}
	if l.Phase == "" {
		return out
	}
	out.Phase, out.JoinedTo = gen.RunPhase(l.Phase), opt(l.JoinedTo)
	out.StartedAt = moment(l.StartedAt)
	if l.Phase == job.Started && out.StartedAt == nil {
		out.StartedAt = moment(l.At)
	}
	if r.Ended() {
		out.EndedAt, out.Counts = moment(l.At), ptr(counts(l.Counts))
	}
	if len(l.Left) > 0 {
		out.Left = &l.Left
	}
	if len(l.ByAccount) > 0 {
		by := map[string]gen.RunCounts{}
		for id, c := range l.ByAccount {
			by[string(id)] = counts(c)
		}
		out.ByAccount = &by
	}
	return out
}

func runs(in []ops.Run) gen.RunsListedJSONResponse {
	out := gen.RunsListedJSONResponse{Runs: make([]gen.Run, len(in))}
	for i, r := range in {
		out.Runs[i] = run(r)
	}
	return out
}

func progress(p job.Progress) gen.Progress {
	return gen.Progress{RunId: p.RunID, Connection: gen.ConnectionId(p.Connection), At: p.At, Done: p.Done, Total: p.Total, Confirmed: p.Confirmed, Deferred: p.Deferred,
		PerSecond: p.PerSecond, Eta: moment(p.ETA), Waiting: opt(p.Waiting), WaitUntil: moment(p.WaitUntil), Ended: opt(p.Ended)}
}

func total(c ops.Counts) gen.Counts {
	out := gen.Counts{States: map[string]int{}, Kinds: map[string]int{}, FlaggedOrders: c.Flagged}
	for s, n := range c.States {
		out.States[string(s)] = n
	}
	for k, n := range c.Kinds {
		out.Kinds[string(k)] = n
	}
	return out
}

func messages(in []message.Message) []gen.Message {
	out := make([]gen.Message, len(in))
	for i, m := range in {
		out[i] = gen.Message{Id: m.ID, Kind: gen.MessageKind(m.Kind), Connection: opt(string(m.Connection)), Account: opt(string(m.Account)), Run: opt(m.Run), At: m.At,
			Count: m.Count, Detail: opt(m.Detail), Held: opt(m.Held), Button: m.Button(), Slot: moment(m.Slot), Slots: opt(m.Slots)}
	}
	return out
}

func rules(in []settings.MapRule) []gen.MapRule {
	out := make([]gen.MapRule, len(in))
	for i, r := range in {
		out[i] = gen.MapRule{Carrier: r.Carrier, Service: opt(r.Service), Country: opt(r.Country), CarrierCode: r.CarrierCode, CarrierName: opt(r.CarrierName), ShippingMethod: opt(r.ShippingMethod)}
	}
	return out
}

func labels(l settings.Labels) gen.LabelRules {
	out := gen.LabelRules{Version: l.Version, Rules: make([]gen.LabelRule, len(l.Rules))}
	for i, r := range l.Rules {
		out.Rules[i] = gen.LabelRule{ServiceLevel: opt(r.ServiceLevel), Marketplace: opt(r.Marketplace), From: opt(r.From), To: opt(r.To), Label: gen.LabelRuleLabel(r.Label)}
	}
	return out
}

func labelRules(in []gen.LabelRule) []settings.LabelRule {
	out := make([]settings.LabelRule, len(in))
	for i, r := range in {
		out[i] = settings.LabelRule{ServiceLevel: val(r.ServiceLevel), Marketplace: val(r.Marketplace), From: val(r.From), To: val(r.To), Label: settings.LabelBy(r.Label)}
	}
	return out
}

func health(s ops.Status) gen.ConnectionHealth {
	if !s.Known {
		return gen.ConnectionHealth{}
	}
	out := gen.ConnectionHealth{Known: true, Breaker: opt(gen.ConnectionHealthBreaker(s.Breaker.State)), BreakerReason: opt(s.Breaker.Reason),
		BreakerSince: moment(s.Breaker.Since), NextProbe: moment(s.Breaker.NextProbe), TokenBreaker: opt(gen.ConnectionHealthTokenBreaker(s.TokenBreaker.State)),
		PerSecond: &s.Rate, Burst: &s.Burst, Left: &s.Available, ThrottledUntil: moment(s.PausedUntil), TokenUntil: moment(s.TokenUntil), Halted: opt(s.Halted)}
	if s.Run.RunID != "" && !s.Run.Ended {
		out.Run = ptr(progress(s.Run))
	}
	return out
}
