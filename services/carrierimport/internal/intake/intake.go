// Package intake turns one carrier file into events. It owns matching rows to Amazon orders, what several rows of one
// order mean, and the verdict on every row; it guarantees that each row gets exactly one outcome, that taking the same
// file again makes no second event (an event's id is made of the file's content and the line), and that an error means
// nothing is decided: the whole file can be taken again. It does not touch files or folders and keeps nothing.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport/internal/profile"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Source names this door in events and records.
const Source = "import"

// Door takes events in and records what cannot be used.
type Door interface {
	Submit(ctx context.Context, events []event.Event) ([]door.Verdict, error)
	Reject(ctx context.Context, r door.Rejected) error
}

// Orders translates own numbers to Amazon order ids; why says why there is none.
type Orders interface {
	Find(own string) (id, why string)
}

// Intake takes files of one account and profile.
type Intake struct {
	Account shipment.AccountID
	Profile profile.Profile
	Zone    *time.Location // of dates without a zone
	Door    Door
	Orders  Orders // nil: there is no order list
	Again   bool   // the file was taken before: rows that were recorded as unusable are not recorded once more
	Now     func() time.Time
}

// Take reads a file and submits its rows.
func (in Intake) Take(ctx context.Context, name string, content []byte) (Report, error) {
	sum := sha256.Sum256(content)
	f := file{Intake: in, report: Report{Account: string(in.Account), File: name, Hash: hex.EncodeToString(sum[:]), At: in.Now().UTC(), Counts: map[Outcome]int{}}}
	sheet, err := in.Profile.Read(content, in.Zone)
	if err != nil {
		return in.Refuse(ctx, f.report, err.Error())
	}
	f.report.Warnings, f.report.Header, f.report.HeaderLine = sheet.Warnings, sheet.HeaderText, sheet.HeaderLine
	f.group(sheet)
	if err := f.submit(ctx); err != nil {
		return Report{}, err
	}
	for _, r := range f.report.Rows {
		f.report.Counts[r.Outcome]++
	}
	return f.report, f.reject(ctx)
}

// Refuse records that nothing of a file could be used.
func (in Intake) Refuse(ctx context.Context, r Report, why string) (Report, error) {
	r.Refused = why
	err := in.Door.Reject(ctx, door.Rejected{At: in.Now().UTC(), Source: Source, Reason: door.Refused, Account: r.Account, File: r.File,
		Problems: []door.Problem{{Text: why}}, Original: r.original()})
	return r, err
}

// original is the reference under which people find the file in archive and quarantine.
func (r Report) original() string {
	return r.Account + "/" + r.Hash[:min(12, len(r.Hash))] + "/" + r.File
}

// file is one file under way.
type file struct {
	Intake
	report  Report
	parcels []*parcel
}

// parcel is one event to be and the rows it was made of.
type parcel struct {
	event event.Event
	rows  []int // indexes into the report
}

func (f *file) group(s profile.Sheet) {
	known := map[shipment.Key]*parcel{}
	for _, r := range s.Rows {
		row := Row{Line: r.Line, Order: r.Order, Package: r.Package, Reference: r.Reference, Tracking: r.Tracking, Problems: r.Problems, Text: r.Text}
		if row.Package == "" {
			row.Package = "1"
		}
		if len(r.Problems) > 0 {
			row.Outcome = Unusable
		} else if row.Order == "" {
			row.match(f.Orders)
			row.matched = row.Order != ""
		}
		f.report.Rows = append(f.report.Rows, row)
		if row.Outcome != "" {
			continue
		}
		at := len(f.report.Rows) - 1
		key := shipment.Key{Order: row.Order, Package: row.Package}
		if p := known[key]; p != nil {
			f.again(p, at, r, s)
			continue
		}
		p := &parcel{event: f.event(r, row), rows: []int{at}}
		known[key], f.parcels = p, append(f.parcels, p)
	}
}

// match looks the own number up.
func (r *Row) match(orders Orders) {
	why := "the row has an own number only, and no order list is configured"
	if orders != nil {
		r.Order, why = orders.Find(r.Reference)
	}
	if r.Order == "" {
		r.Outcome = Waiting
		r.Problems = []door.Problem{{Field: "reference", Text: "waiting for an order: " + why}}
	}
}

func (f *file) event(r profile.Row, row Row) event.Event {
	data := event.Shipped{Account: string(f.Account), Order: row.Order, Package: row.Package, ShippedAt: r.ShippedAt,
		Carrier: r.Carrier, Service: r.Service, Tracking: r.Tracking, Reference: r.Reference, Source: Source}
	if r.Item != nil {
		data.Items = []shipment.Item{*r.Item}
	}
	id := fmt.Sprintf("%s-%d", f.report.Hash[:32], r.Line)
	return event.New(event.TypeShipped, id, "/"+Source+"/"+string(f.Account), f.report.At, data)
}

// again settles a further row for a parcel the file already has.
func (f *file) again(p *parcel, at int, r profile.Row, s profile.Sheet) {
	row, data := &f.report.Rows[at], &p.event.Data
	first := f.report.Rows[p.rows[0]].Line
	same := data.Tracking == r.Tracking && data.Carrier == r.Carrier
	switch {
	case same && s.HasItems && merge(data, *r.Item):
		p.rows = append(p.rows, at)
	case same:
		row.Outcome = Repeated
		row.Warnings = []door.Problem{{Text: fmt.Sprintf("the same parcel stands in line %d", first)}}
	case s.HasPackage:
		row.Outcome = Unusable
		row.Problems = []door.Problem{{Field: "packageReferenceId", Text: fmt.Sprintf("parcel %s of the order stands in line %d with another carrier or tracking number: number the parcels", row.Package, first)}}
	default:
		row.Outcome = Further
		row.Problems = []door.Problem{{Field: "packageReferenceId", Text: fmt.Sprintf("a further parcel of the order in line %d, and the profile has no column that numbers parcels: report it by hand", first)}}
	}
}

// merge adds an item to a parcel; false if the parcel has it, which makes the row a repetition.
func merge(d *event.Shipped, item shipment.Item) bool {
	for _, have := range d.Items {
		if have.OrderItemID == item.OrderItemID {
			return false
		}
	}
	d.Items = append(d.Items, item)
	return true
}

func (f *file) submit(ctx context.Context) error {
	for from := 0; from < len(f.parcels); from += door.MaxBatch {
		batch := f.parcels[from:min(from+door.MaxBatch, len(f.parcels))]
		events := make([]event.Event, len(batch))
		for i, p := range batch {
			events[i] = p.event
		}
		verdicts, err := f.Door.Submit(ctx, events)
		if err != nil {
			return fmt.Errorf("submit rows of %s: %w", f.report.File, err)
		}
		for i, v := range verdicts {
			f.note(batch[i], v)
		}
	}
	return nil
}

func (f *file) note(p *parcel, v door.Verdict) {
	for _, at := range p.rows {
		r := &f.report.Rows[at]
		r.Outcome, r.Problems, r.Warnings = Outcome(v.Result), v.Problems, v.Warnings
		for _, c := range v.Changes {
			r.Problems = append(r.Problems, door.Problem{Field: c.Field, Text: fmt.Sprintf("known is %q, the file says %q", c.Old, c.New)})
		}
	}
}

// reject records every quarantined row, mapped fields only. What differs has been recorded by the door itself.
func (f *file) reject(ctx context.Context) error {
	for _, r := range f.report.Quarantined() {
		if r.Outcome == Outcome(door.Differs) || f.Again && !r.matched {
			continue
		}
		rec := door.Rejected{At: f.report.At, Source: Source, Reason: door.Refused, Account: f.report.Account, File: f.report.File,
			Line: r.Line, Problems: r.Problems, Original: f.report.original()}
		if shipment.ValidOrder(r.Order) {
			rec.Key = r.Order + "/" + r.Package
		}
		if err := f.Door.Reject(ctx, rec); err != nil {
			return fmt.Errorf("record row %d of %s: %w", r.Line, f.report.File, err)
		}
	}
	return nil
}
