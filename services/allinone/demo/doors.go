package demo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/text/encoding/charmap"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// senders report the sample's shipments and keep the journal of what they were told.
type senders struct {
	sample  Sample
	js      jetstream.JetStream
	api     *client.ClientWithResponses
	dir     string // of the watched folders
	now     func() time.Time
	journal []audit.Line
}

// all reports every shipment through its door.
func (s *senders) all(ctx context.Context) error {
	byDoor := map[string][]parcel{}
	for _, p := range s.sample.parcels {
		byDoor[p.door] = append(byDoor[p.door], p)
	}
	for _, name := range slices.Sorted(maps.Keys(byDoor)) {
		parcels := byDoor[name]
		var err error
		switch name {
		case "stream":
			err = s.publish(ctx, parcels)
		case "api":
			err = s.report(ctx, name, parcels)
		case "hand": // one at a time, as people do
			for i := 0; i < len(parcels) && err == nil; i++ {
				err = s.report(ctx, name, parcels[i:i+1])
			}
		default:
			err = s.drop(name, parcels)
		}
		if err != nil {
			return fmt.Errorf("report through door %s: %w", name, err)
		}
	}
	return nil
}

// again reports some shipments a second time: the same, or with another tracking number.
func (s *senders) again(ctx context.Context) error {
	second := s.sample.role(roleRepeated)
	for _, p := range s.sample.role(roleContradicted) {
		p.Tracking = p.Tracking[:len(p.Tracking)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(p.Tracking, "0")]
		second = append(second, p)
	}
	for _, p := range second {
		send := s.publish
		if p.door == "api" {
			send = func(ctx context.Context, ps []parcel) error { return s.report(ctx, "api", ps) }
		}
		if err := send(ctx, []parcel{p}); err != nil {
			return fmt.Errorf("report again: %w", err)
		}
	}
	return nil
}

// publish is the door of upstream services: JetStream directly. The acknowledgement is a promise that the event is kept.
func (s *senders) publish(ctx context.Context, parcels []parcel) error {
	acks := make([]jetstream.PubAckFuture, len(parcels))
	lines := make([]audit.Line, len(parcels))
	for i, p := range parcels {
		p.Source = "service"
		e := event.New(event.TypeShipped, uuid.NewString(), "/erp/warehouse-1", s.now(), p.Shipped)
		data, err := event.Encode(e)
		if err != nil {
			return err
		}
		key := p.key(s.sample.Settings)
		if acks[i], err = s.js.PublishMsgAsync(&nats.Msg{Subject: stream.ShippedSubject(key.Connection), Data: data}, jetstream.WithMsgID(e.ID)); err != nil {
			return err
		}
		lines[i] = audit.Line{Door: "stream", Key: key, EventID: door.EventID(e), Told: audit.Stored}
	}
	for i, a := range acks {
		select {
		case ack := <-a.Ok():
			lines[i].Place = fmt.Sprintf("%s/%d", stream.Shipped, ack.Sequence)
			s.journal = append(s.journal, lines[i])
		case err := <-a.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// report is the door of the web service and of people.
func (s *senders) report(ctx context.Context, door string, parcels []parcel) error {
	body := client.ReportRequest{}
	for _, p := range parcels {
		r, source := p.report(), client.ReportSource(door)
		r.Source = &source
		body.Reports = append(body.Reports, r)
	}
	r, err := s.api.ReportShipmentsWithResponse(ctx, body)
	if err != nil {
		return err
	}
	if err := client.Check(r.StatusCode(), r.Body, r.JSONDefault); err != nil {
		return err
	}
	for i, v := range r.JSON200.Results {
		s.journal = append(s.journal, audit.Line{Door: door, Key: parcels[i].key(s.sample.Settings), Told: result(v)})
	}
	return nil
}

func result(v client.Verdict) door.Result { return door.Result(v.Result) }

func (p parcel) report() client.Report {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	r := client.Report{Account: p.Account, AmazonOrderId: p.Order, PackageReferenceId: text(p.Package), Carrier: text(p.Carrier),
		Service: text(p.Service), TrackingNumber: text(p.Tracking), Reference: text(p.Reference),
		ShippedAt: text(p.ShippedAt.Format(time.RFC3339)), ShipBy: text(p.ShipBy.Format(time.RFC3339))}
	label := client.ReportLabelSource(p.Label)
	r.LabelSource = &label
	items := make([]client.Item, len(p.Items))
	for i, it := range p.Items {
		items[i] = client.Item{OrderItemId: it.OrderItemID, Quantity: it.Quantity}
	}
	r.Items = &items
	return r
}

// folders are the carriers' files the demo's shops get.
func folders(dir string) []carrierimport.Import {
	quick := settings.Duration(300 * time.Millisecond)
	shop := carrierimport.CSV{Delimiter: ";", Encoding: "cp1252", Columns: carrierimport.Columns{
		Order: "Commande Amazon", Carrier: "Transporteur", Service: "Service", Tracking: "Suivi", ShippedAt: "Expédié le"},
		DateFormats: []string{"dd.MM.yyyy HH:mm"}}
	uk := shop
	uk.Encoding, uk.Delimiter, uk.Columns = "utf-8", ",", carrierimport.Columns{Order: "Amazon order", Carrier: "Carrier", Service: "Service", Tracking: "Tracking", ShippedAt: "Dispatched"}
	return []carrierimport.Import{
		{Account: "SHOP-DE", Folder: filepath.Join(dir, "dhl"), Profile: "dhl", OrderList: filepath.Join(dir, "orders.csv"), Settle: quick},
		{Account: "SHOP-FR", Folder: filepath.Join(dir, "fr"), Profile: "csv", CSV: shop, Settle: quick},
		{Account: "SHOP-UK", Folder: filepath.Join(dir, "uk"), Profile: "csv", CSV: uk, Settle: quick},
	}
}

// drop is the door of carriers' files: one file for each account, with a row in it that nobody can use.
func (s *senders) drop(kind string, parcels []parcel) error {
	byAccount := map[string][]parcel{}
	for _, p := range parcels {
		byAccount[p.Account] = append(byAccount[p.Account], p)
		s.journal = append(s.journal, audit.Line{Door: "import", Key: p.key(s.sample.Settings), Told: audit.Stored})
	}
	for account, of := range byAccount {
		_, a, _ := s.sample.Settings.Account(shipment.AccountID(account))
		zone := a.Schedule.Location()
		var err error
		switch {
		case kind == "import-dhl":
			err = s.dropDHL(of, zone)
		case account == "SHOP-FR":
			err = s.dropCSV("fr", "expéditions.csv", ";", "Commande Amazon;Transporteur;Service;Suivi;Expédié le", of, zone)
		default:
			err = s.dropCSV("uk", "dispatches.csv", ",", "Amazon order,Carrier,Service,Tracking,Dispatched", of, zone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropDHL writes the export of DHL's software and the order list that its references are looked up in.
func (s *senders) dropDHL(parcels []parcel, zone *time.Location) error {
	var rows, orders bytes.Buffer
	orders.WriteString("Auftragsnummer;Amazon-Bestellnummer\r\n")
	rows.WriteString("POOL_REF_NO|POOL_PRODUCT|POOL_REC_COUNTRY|POOL_WEIGHT|POOL_SHIPMENT_ID|POOL_SHIPMENT_DATE|POOL_CONTENTS\r\n")
	for i, p := range parcels {
		fmt.Fprintf(&orders, "%s;%s\r\n", p.Reference, p.Order)
		fmt.Fprintf(&rows, "%s|DHL Paket|DE|%d,5|%s|%s|Haus & Garten\r\n", p.Reference, i%20, p.Tracking, p.ShippedAt.In(zone).Format("02.01.2006"))
	}
	rows.WriteString("AB-UNLESBAR|DHL Paket|DE|3,0|3,40434E+19|" + s.now().In(zone).Format("02.01.2006") + "|Bücher\r\n")
	if err := write(filepath.Join(s.dir, "orders.csv"), orders.String()); err != nil {
		return err
	}
	return write(filepath.Join(s.dir, "dhl", "versenden.csv"), rows.String())
}

func (s *senders) dropCSV(folder, name, delimiter, head string, parcels []parcel, zone *time.Location) error {
	lines := []string{head}
	for _, p := range parcels {
		lines = append(lines, strings.Join([]string{p.Order, p.Carrier, p.Service, p.Tracking, p.ShippedAt.In(zone).Format("02.01.2006 15:04")}, delimiter))
	}
	lines = append(lines, strings.Join([]string{"204-17-99", "UPS", "", "1Z00000000000000", "31.02.2026 10:00"}, delimiter))
	text := strings.Join(lines, "\r\n") + "\r\n"
	if folder == "fr" {
		var err error
		if text, err = charmap.Windows1252.NewEncoder().String(text); err != nil {
			return err
		}
	}
	return write(filepath.Join(s.dir, folder, name), text)
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}
