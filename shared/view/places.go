package view

import (
	"hash/maphash"
	"strings"

	"github.com/fertig-project/fertig/shared/shipment"
)

// A shipment belongs to up to three cells, each of which is counted and sorted three ways, and to at most one set for each
// of some fixed purposes. Leaving a state is the difference of two such placements, so no set can keep a stale member.

// cellID names a cell. Unlike Cell it says nothing of how many there are.
type cellID struct {
	account shipment.AccountID
	state   shipment.State
	kind    shipment.Kind
	print   string
}

func (c cellID) String() string {
	return cellKey(Cell{Account: c.account, State: c.state, Kind: c.kind, Fingerprint: c.print})
}

// cells lists the cells a shipment counts in: its state, its kind, its fingerprint.
func (f *facts) cells() (out [3]cellID, n int) {
	c := cellID{account: f.account, state: f.state}
	out[0], n = c, 1
	if f.kind != "" {
		c.kind = f.kind
		out[n] = c
		n++
	}
	if f.print != "" {
		c.kind, c.print = f.kind, f.print
		out[n] = c
		n++
	}
	return out, n
}

// scores are what the cells of a shipment are sorted by, in the order of sorts.
func (f *facts) scores() [len(sorts)]int64 { return [...]int64{f.since, f.shipped, f.deadline()} }

// setID names a set that is no cell.
type setID struct {
	purpose purpose
	of      string // account or connection; empty for a lookup
	part    byte   // of the lookup
}

type purpose byte

const (
	againQueue purpose = iota
	refusedQueue
	dueWork
	sending
	inDoubt
	lookupPart
)

func (s setID) String() string {
	switch s.purpose {
	case againQueue:
		return queueSet(shipment.AccountID(s.of), shipment.Again)
	case refusedQueue:
		return queueSet(shipment.AccountID(s.of), shipment.Refused)
	case dueWork:
		return dueSet(shipment.AccountID(s.of))
	case sending:
		return sendingSet(shipment.ConnectionID(s.of))
	case inDoubt:
		return doubtSet(shipment.ConnectionID(s.of))
	}
	return lookupSet(s.part)
}

// mark is one membership; the zero mark is none.
type mark struct {
	set    setID
	member string
	score  int64
}

// The places of a shipment besides its cells, one for each purpose.
const (
	inQueue = iota
	inDue
	inSending
	inDoubts
	asOrder
	asTracking
	asReference
	places
)

// marks lists the places of a shipment. With like, those that cannot differ from like's are left out of both.
func (f *facts) marks(like *facts) (out [places]mark) {
	switch f.queue {
	case shipment.Again:
		out[inQueue] = mark{setID{purpose: againQueue, of: string(f.account)}, f.member, f.deadline()}
	case shipment.Refused:
		out[inQueue] = mark{setID{purpose: refusedQueue, of: string(f.account)}, f.member, f.deadline()}
	}
	if f.state.Flagged() && f.has&hasShipBy != 0 {
		out[inDue] = mark{setID{purpose: dueWork, of: string(f.account)}, f.member, f.shipBy}
	}
	if f.has&hasAnswer != 0 {
		out[inSending] = mark{setID{purpose: sending, of: f.connection()}, f.member, f.answer}
	}
	if f.has&hasDoubt != 0 {
		out[inDoubts] = mark{setID{purpose: inDoubt, of: f.connection()}, f.member, f.at}
	}
	if like == nil {
		out[asOrder] = f.lookup(byOrder, f.order())
	}
	if like == nil || like.tracking != f.tracking {
		out[asTracking] = f.lookup(byTracking, f.tracking)
	}
	if like == nil || like.ref != f.ref {
		out[asReference] = f.lookup(byReference, f.ref)
	}
	return out
}

func (f *facts) lookup(kind, value string) mark {
	if strings.TrimSpace(value) == "" {
		return mark{}
	}
	part, prefix := lookup(kind, value)
	return mark{set: setID{purpose: lookupPart, part: part}, member: prefix + "\x00" + f.member}
}

// orderID is an order's identity without its text, of which a rebuild would have to remember a million. Two hashes of
// different seeds are never equal by chance.
type orderID [2]uint64

type hasher [2]maphash.Seed

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hasher) sum(s string) orderID {
	return orderID{maphash.String(h[0], s), maphash.String(h[1], s)}
}
