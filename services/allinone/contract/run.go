package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// settles is how long a row may take to end where it must.
const settles = 60 * time.Second

// Result is what a run of the contract has found.
type Result struct {
	Rows       int
	Operations int
	Violations []string
}

func (r Result) String() string {
	return fmt.Sprintf("rows %d, operations %d, violations %d", r.Rows, r.Operations, len(r.Violations))
}

func item(i int) string { return fmt.Sprintf("%014d", i+1) }

// Run provokes every row and writes one line for each, and for each operation, to out.
func Run(ctx context.Context, out io.Writer) (Result, error) {
	dir, err := os.MkdirTemp("", "fertig-contract")
	if err != nil {
		return Result{}, fmt.Errorf("contract: %w", err)
	}
	b, err := open(ctx, dir, rows)
	defer func() { err = b.close(dir) }()
	if err != nil {
		return Result{}, fmt.Errorf("contract: %w", err)
	}
	res := Result{Violations: uncovered()}
	if err := b.begin(ctx); err != nil {
		return res, err
	}
	end := time.Now().Add(settles)
	seen := map[string]bool{}
	for i, r := range rows {
		problems := b.await(ctx, i, r, end)
		if verdict := "ok"; len(problems) > 0 {
			verdict = strings.Join(problems, "; ")
			res.Violations = append(res.Violations, r.rule+": "+verdict)
			fmt.Fprintf(out, "row %-26s VIOLATION %s\n", r.rule, verdict)
		} else {
			fmt.Fprintf(out, "row %-26s %s %s\n", r.rule, where(r), verdict)
		}
		if !seen[r.rule] {
			seen[r.rule] = true
			res.Rows++
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(ours)) {
		fmt.Fprintf(out, "not Amazon's %-17s %s\n", rule, ours[rule])
	}
	_ = poll(ctx, 20*time.Second, func() bool { return len(b.watch.unused()) == 0 })
	res.Violations = append(res.Violations, b.watch.unused()...)
	b.watch.mu.Lock()
	defer b.watch.mu.Unlock()
	res.Operations = len(b.watch.operations)
	for _, op := range slices.Sorted(maps.Keys(b.watch.operations)) {
		fmt.Fprintf(out, "operation %-20s %d requests held to the model\n", op, b.watch.operations[op])
	}
	for _, v := range b.watch.violations {
		fmt.Fprintln(out, "VIOLATION", v)
	}
	res.Violations = append(res.Violations, b.watch.violations...)
	fmt.Fprintln(out, res)
	return res, nil
}

func where(r row) string {
	s := string(r.state)
	if r.kind != "" {
		s += "/" + string(r.kind)
	}
	if r.halt {
		s += ", halted"
	}
	return s
}

// uncovered are rules that no row provokes.
func uncovered() (out []string) {
	for _, rule := range outcome.All() {
		covered := ours[rule.ID] != ""
		for _, r := range rows {
			covered = covered || r.rule == rule.ID
		}
		if !covered {
			out = append(out, rule.ID+": no row provokes it")
		}
	}
	return out
}

// begin reports every row's shipment and runs every connection.
func (b *bed) begin(ctx context.Context) error {
	var events []event.Event
	for i, r := range rows {
		_, a := names(i)
		s := event.Shipped{Account: string(a), Order: orderID(i), Package: "1", ShippedAt: event.Time{Time: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)}, Carrier: "DHL",
			Tracking: fmt.Sprintf("003404341610940%05d", i), Items: []shipment.Item{{OrderItemID: item(i), Quantity: 1}}, Label: shipment.LabelOwn, Source: "service"}
		if r.tell != nil {
			r.tell(&s)
		}
		events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/contract", time.Now(), s))
	}
	verdicts, err := b.door.Submit(ctx, events)
	if err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	for i, v := range verdicts {
		if !v.Result.Taken() {
			return fmt.Errorf("contract: the report of row %s is not taken in: %+v", rows[i].rule, v)
		}
	}
	if err := poll(ctx, settles, func() bool {
		n := 0
		_, err := b.ledger.Heads(ctx, "", func(shipment.Entry) error { n++; return nil })
		return err == nil && n == len(rows)
	}); err != nil {
		return fmt.Errorf("contract: take in: %w", err)
	}
	for i := range rows {
		c, _ := names(i)
		if _, err := b.board.Ask(ctx, job.Trigger{RunID: uuid.NewString(), Connection: c, Kind: job.Manual, Scope: job.All, Actor: "contract", At: time.Now()}); err != nil {
			return fmt.Errorf("contract: %w", err)
		}
	}
	return nil
}

func poll(ctx context.Context, most time.Duration, ok func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(most)
	defer end.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return fmt.Errorf("not within %s", most)
		case <-tick.C:
		}
	}
	return nil
}

// await waits until a row is where it must be and returns what is still wrong when its time is over.
func (b *bed) await(ctx context.Context, i int, r row, end time.Time) (problems []string) {
	_ = poll(ctx, max(time.Until(end), 10*time.Millisecond), func() bool {
		problems = b.check(ctx, i, r)
		return len(problems) == 0
	})
	return problems
}

// check compares where a row's shipment stands, and what people are told, with what the catalogue promises.
func (b *bed) check(ctx context.Context, i int, r row) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	c, a := names(i)
	rule, known := outcome.Lookup(r.rule)
	if !known {
		return []string{"the catalogue has no such rule"}
	}
	detail, err := get[client.ShipmentDetail](b.api.GetShipment(ctx, string(c), orderID(i), "1"))
	if err != nil {
		return []string{err.Error()}
	}
	s := detail.Shipment
	if string(s.State) != string(r.state) || value(s.Kind) != client.Kind(r.kind) {
		wrong("the shipment is %s/%s, not %s/%s", s.State, value(s.Kind), r.state, r.kind)
	}
	if spent := s.Attempts > 0; r.state != shipment.Confirmed && r.kind != shipment.Throttled && r.rule != "not-sent" && spent != rule.BurnsAttempt && rule.Operation != outcome.Read {
		wrong("%d attempts, burns one: %v", s.Attempts, rule.BurnsAttempt)
	}
	if answered := r.state == shipment.Deferred || r.state == shipment.Doubt || r.state == shipment.NotRequired; answered {
		problems = append(problems, promised(s, rule, r)...)
	}
	problems = append(problems, b.told(ctx, string(c), string(a), r)...)
	return problems
}

// promised compares a shipment that was answered with its rule.
func promised(s client.Shipment, rule outcome.Rule, r row) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if s.Answer == nil || value(s.Answer.Rule) != rule.ID {
		wrong("the answer is understood as %+v", s.Answer)
		return problems
	}
	if value(s.Answer.Field) != rule.Field {
		wrong("it blames the field %q, the catalogue %q", value(s.Answer.Field), rule.Field)
	}
	if r.state != shipment.NotRequired && (s.Remedy == nil || s.Remedy.De != rule.Remedy.DE || s.Remedy.En != rule.Remedy.EN) {
		wrong("the remedy is %+v", s.Remedy)
	}
	if r.kind == shipment.Rejected && rule.Class != outcome.Already && rule.Class != outcome.Order && value(s.Fingerprint) == "" {
		wrong("equal failures have no fingerprint to group them by")
	}
	return problems
}

// told checks the maintenance messages and whether the connection says that it is halted.
func (b *bed) told(ctx context.Context, connection, account string, r row) (problems []string) {
	list, err := get[client.MessageList](b.api.ListMessages(ctx))
	if err != nil {
		return []string{err.Error()}
	}
	failed, halted := false, false
	for _, m := range list.Messages {
		failed = failed || m.Kind == client.MessageKindTransmissionFailed && value(m.Account) == account
		halted = halted || m.Kind == client.MessageKindHalted && value(m.Connection) == connection
	}
	if failed != r.says {
		problems = append(problems, fmt.Sprintf("a message that transmission failed: %v, want %v", failed, r.says))
	}
	if halted != r.halt {
		problems = append(problems, fmt.Sprintf("a message that the connection is halted: %v, want %v", halted, r.halt))
	}
	if !r.halt {
		return problems
	}
	accounts, err := get[client.AccountList](b.api.ListAccounts(ctx))
	if err != nil {
		return append(problems, err.Error())
	}
	for _, a := range accounts.Accounts {
		if a.Id == account && !strings.Contains(value(a.Health.Halted), "("+r.rule+")") {
			problems = append(problems, fmt.Sprintf("the connection does not name the reason: %q", value(a.Health.Halted)))
		}
	}
	return problems
}

func get[T any](resp *http.Response, err error) (T, error) {
	var out T
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, err
	}
	if resp.StatusCode != http.StatusOK {
		return out, fmt.Errorf("the API answers %d: %s", resp.StatusCode, raw)
	}
	return out, json.Unmarshal(raw, &out)
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
