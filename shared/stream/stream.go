// Package stream is Fertig's JetStream topology: every stream, bucket, consumer and subject is spelled here and nowhere
// else. It creates what is missing, never thins out what is there, and guarantees that a subject
// built here can be taken apart again. It reads streams to their end or follows them. It also holds the leases and the distribution of settings, because both are one
// bucket each. It does not know what the messages mean.
package stream

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Names of streams and buckets.
const (
	Shipped  = "FERTIG_SHIPPED"  // the inbox: what senders report
	Ledger   = "FERTIG_LEDGER"   // the truth: all events of a shipment on one subject
	Runs     = "FERTIG_RUNS"     // triggers and run logs
	Invalid  = "FERTIG_INVALID"  // what could not be used, with the reason
	Messages = "FERTIG_MESSAGES" // maintenance messages
	Events   = "FERTIG_EVENTS"   // what became of shipments, for those who reported them
	Orders   = "FERTIG_ORDERS"   // what is known of Amazon's orders, and when they were last swept

	LeaseBucket  = "FERTIG_LEASES"
	ConfigBucket = "FERTIG_CONFIG"
)

const day = 24 * time.Hour

// Options size the topology.
type Options struct {
	Replicas     int   // 1 embedded, 3 in production
	ShippedBytes int64 // bound of the inbox; 0 means 4 GiB
}

// mostReaders is how many consumers a stream may have. Each connection follows its runs with one of its own; without a number
// of ours the server allows a thousand.
const mostReaders = 50_000

func configs(o Options) []jetstream.StreamConfig {
	r := o.Replicas
	bytes := o.ShippedBytes
	if bytes == 0 {
		bytes = 4 << 30
	}
	base := func(name string, age time.Duration, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Subjects: subjects, Storage: jetstream.FileStorage, Replicas: r, MaxAge: age,
			AllowDirect: true, Duplicates: 2 * time.Minute, MaxConsumers: mostReaders}
	}
	shipped := base(Shipped, 30*day, "fertig.shipped.*")
	shipped.MaxBytes, shipped.Discard, shipped.MaxMsgSize, shipped.AllowAtomicPublish = bytes, jetstream.DiscardNew, 512<<10+4<<10, true
	ledger := base(Ledger, 0, "fertig.ledger.>")
	ledger.AllowAtomicPublish = true
	events := base(Events, 30*day, EventSubjects)
	events.AllowAtomicPublish = true
	orders := base(Orders, 90*day, "fertig.order.>")
	orders.MaxMsgsPerSubject = 1
	return []jetstream.StreamConfig{shipped, ledger,
		base(Runs, 90*day, "fertig.run.>"), base(Invalid, 90*day, "fertig.invalid.*"), base(Messages, 400*day, "fertig.message.>"), events, orders}
}

// ShippedSubject is where events for a connection are published.
func ShippedSubject(c shipment.ConnectionID) string { return "fertig.shipped." + string(c) }

// LedgerSubject is the one subject of a shipment's events.
func LedgerSubject(k shipment.Key) string {
	return "fertig.ledger." + string(k.Connection) + "." + k.Order + "." + k.Package
}

// LedgerOfOrder matches the ledger subjects of all packages of a shipment's order.
func LedgerOfOrder(k shipment.Key) string {
	return "fertig.ledger." + string(k.Connection) + "." + k.Order + ".*"
}

// LedgerOf matches all ledger subjects of a connection.
func LedgerOf(c shipment.ConnectionID) string { return "fertig.ledger." + string(c) + ".>" }

// ParseLedgerSubject takes a ledger subject apart.
func ParseLedgerSubject(s string) (shipment.Key, error) {
	p := strings.Split(s, ".")
	if len(p) != 5 || p[0] != "fertig" || p[1] != "ledger" {
		return shipment.Key{}, fmt.Errorf("ledger subject %q is malformed", s)
	}
	return shipment.Key{Connection: shipment.ConnectionID(p[2]), Order: p[3], Package: p[4]}, nil
}

// TriggerSubject is the subject of one run's trigger; published with expected sequence 0 it exists once.
func TriggerSubject(c shipment.ConnectionID, run string) string {
	return "fertig.run.trigger." + string(c) + "." + run
}

// RunLogSubject is the subject of one run's log.
func RunLogSubject(c shipment.ConnectionID, run string) string {
	return "fertig.run.log." + string(c) + "." + run
}

// ProgressSubject is where a run's progress is told over core NATS: not kept, at most five a second.
func ProgressSubject(c shipment.ConnectionID) string { return "fertig.progress." + string(c) }

// InvalidSubject is where unusable input of a door is kept.
func InvalidSubject(source string) string { return "fertig.invalid." + source }

// MessageSubject is the subject of a maintenance message's occurrences.
func MessageSubject(id string) string { return "fertig.message." + id }

// EventSubjects match all events about shipments.
const EventSubjects = "fertig.event.>"

// EventSubject is where the events about shipments of an account are published. It does not name the order: the server keeps
// what it knows of each subject in memory.
func EventSubject(c shipment.ConnectionID, a shipment.AccountID) string {
	return "fertig.event." + string(c) + "." + string(a)
}

// OrderSubject is the one subject of what is known of an order.
func OrderSubject(c shipment.ConnectionID, order string) string {
	return "fertig.order.known." + string(c) + "." + order
}

// OrdersOf matches what is known of all orders of a connection, of all connections for "".
func OrdersOf(c shipment.ConnectionID) string {
	if c == "" {
		c = "*"
	}
	return OrderSubject(c, "*")
}

// OwnNumberSubject is where the order is kept that a merchant's own number stands for. The number may have any characters.
func OwnNumberSubject(c shipment.ConnectionID, number string) string {
	return "fertig.order.number." + string(c) + "." + hex.EncodeToString([]byte(number))
}

// SweepSubject is where the last sweep of a connection is kept.
func SweepSubject(c shipment.ConnectionID) string { return "fertig.order.sweep." + string(c) }

// LostRace reports whether a publish with an expected sequence was refused because somebody else was first. One server
// answers 10071, a cluster mostly 10164.
func LostRace(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
