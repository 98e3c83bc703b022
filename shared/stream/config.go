package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Settings is the configuration bucket as a value that is always there: it follows every change, so nothing needs a
// restart. It is safe for concurrent use.
type Settings struct {
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	changed chan struct{}

	mu      sync.Mutex
	current settings.Set
	rev     uint64 // newest revision that current contains
}

// OpenSettings reads everything configured so far. Run must be running for changes to arrive.
func OpenSettings(ctx context.Context, js jetstream.JetStream) (*Settings, error) {
	kv, err := js.KeyValue(ctx, ConfigBucket)
	if err != nil {
		return nil, fmt.Errorf("open configuration bucket: %w", err)
	}
	s := &Settings{js: js, kv: kv, changed: make(chan struct{}, 1)}
	if _, _, err := s.read(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Current returns the settings as they are now. The set is shared and must not be changed.
func (s *Settings) Current() settings.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Changed delivers after a change; several changes may arrive as one, and one delivery may turn out to be no change.
func (s *Settings) Changed() <-chan struct{} { return s.changed }

// Run follows the bucket until ctx ends; nil then, an error when the connection is closed under it. It delivers on Changed
// once it has read what was there.
func (s *Settings) Run(ctx context.Context) error {
	all, rev, err := s.read(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	s.tell()
	return Follow(ctx, s.js, configStream, []string{configSubjects}, rev, 100, func(msgs []jetstream.Msg) error {
		for _, m := range msgs {
			md, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("follow settings: %w", err)
			}
			rev = md.Sequence.Stream
			merge(all, m)
		}
		s.store(all, rev)
		s.tell()
		return nil
	})
}

func (s *Settings) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// The bucket is read as the stream it is: a bucket's own watcher needs many seconds to notice that the server restarted.
const (
	configStream   = "KV_" + ConfigBucket
	configSubjects = "$KV." + ConfigBucket + ".connection.*"
)

// read brings current up to date with what is there and returns it with the newest revision.
func (s *Settings) read(ctx context.Context) (map[string]settings.Connection, uint64, error) {
	all := map[string]settings.Connection{}
	var rev uint64
	err := Scan(ctx, s.js, configStream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{configSubjects},
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}, func(m jetstream.Msg, seq uint64) error {
		rev = seq
		merge(all, m)
		return nil
	})
	if err != nil {
		return nil, 0, fault.Wrap(fault.Unavailable, err, "read settings")
	}
	s.store(all, rev)
	return all, rev, nil
}

// merge applies one change. What cannot be decoded leaves the connection as it was: a half-understood one would be worse.
func merge(all map[string]settings.Connection, m jetstream.Msg) {
	var c settings.Connection
	switch {
	case m.Headers().Get("KV-Operation") != "": // deleted or purged
		delete(all, m.Subject())
	case json.Unmarshal(m.Data(), &c) == nil:
		all[m.Subject()] = c.WithDefaults()
	}
}

// store replaces current unless a faster reader has stored something newer.
func (s *Settings) store(all map[string]settings.Connection, rev uint64) {
	set := settings.Set{Connections: slices.Collect(maps.Values(all))}
	slices.SortFunc(set.Connections, func(a, b settings.Connection) int { return strings.Compare(string(a.ID), string(b.ID)) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev >= s.rev {
		s.current, s.rev = set, rev
	}
}

// Seed writes connections that differ from what is stored. A configuration file wins over earlier settings, so the file
// stays what people can trust; only a pause that an operator set stays, because a restart must not end it.
func (s *Settings) Seed(ctx context.Context, set settings.Set) error {
	for _, c := range set.Connections {
		if err := s.seed(ctx, c); err != nil {
			return err
		}
	}
	_, _, err := s.read(ctx)
	return err
}

func (s *Settings) seed(ctx context.Context, c settings.Connection) error {
	key := configKey(c.ID)
	for range tries {
		rev, old, err := s.get(ctx, key)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read connection %s", c.ID)
		}
		var stored settings.Connection
		if old != nil && json.Unmarshal(old, &stored) == nil {
			c = keepWork(c, stored)
		}
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode connection %s: %w", c.ID, err)
		}
		if bytes.Equal(old, b) {
			return nil
		}
		if stored, err := s.put(ctx, key, b, rev); stored || err != nil {
			return err
		}
	}
	return beingChanged(c.ID)
}

// keepWork keeps what people have done in a running installation and a file does not know of: pauses, and carrier
// mappings and label rules of a later version than the file's. Who wants the file's back gives them a higher version there.
func keepWork(c, stored settings.Connection) settings.Connection {
	c.Accounts = slices.Clone(c.Accounts)
	for i, a := range c.Accounts {
		old, ok := stored.Account(a.ID)
		if !ok {
			continue
		}
		if a.PausedUntil.IsZero() {
			c.Accounts[i].PausedUntil = old.PausedUntil
		}
		if old.Mapping.Version > a.Mapping.Version {
			c.Accounts[i].Mapping = old.Mapping
		}
		if old.Labels.Version > a.Labels.Version {
			c.Accounts[i].Labels = old.Labels
		}
	}
	return c
}

// tries bounds the repetitions after a lost race.
const tries = 10

// storeTimeout bounds one question to a bucket: one that was lost with a connection is never answered.
const storeTimeout = 3 * time.Second

func bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return call(ctx)
}

// get reads a key's newest revision from the leader, and its value, nil when there is none.
func (s *Settings) get(ctx context.Context, key string) (rev uint64, value []byte, err error) {
	m, err := Last(ctx, s.js.Conn(), configStream, "$KV."+ConfigBucket+"."+key)
	switch {
	case err != nil || m == nil:
		return 0, nil, err
	case m.Header.Get("KV-Operation") != "":
		return m.Sequence, nil, nil
	}
	return m.Sequence, m.Data, nil
}

// put writes a key on top of the revision its author had seen. It reports false when somebody was faster.
func (s *Settings) put(ctx context.Context, key string, value []byte, rev uint64) (stored bool, err error) {
	err = bounded(ctx, func(ctx context.Context) error { _, err := s.kv.Update(ctx, key, value, rev); return err })
	switch {
	case err == nil:
		return true, nil
	case LostRace(err) || errors.Is(err, jetstream.ErrKeyExists):
		return false, nil
	}
	return false, fault.Wrap(fault.Unavailable, err, "store %s", key)
}

func configKey(id shipment.ConnectionID) string { return "connection." + string(id) }

func beingChanged(id shipment.ConnectionID) error {
	return fault.New(fault.Conflict, "connection %s is being changed by somebody else: try again", id)
}

// Change edits one connection by compare-and-set and stores it if edit returns no error and the result is sound.
func (s *Settings) Change(ctx context.Context, id shipment.ConnectionID, edit func(*settings.Connection) error) error {
	key := configKey(id)
	for range tries {
		rev, stored, err := s.get(ctx, key)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read connection %s", id)
		}
		if stored == nil {
			return fault.New(fault.NotFound, "connection %s is not known", id)
		}
		var c settings.Connection
		if err := json.Unmarshal(stored, &c); err != nil {
			return fmt.Errorf("decode connection %s: %w", id, err)
		}
		c = c.WithDefaults()
		if err := edit(&c); err != nil {
			return err
		}
		if c.ID != id {
			return fault.Field("id", "of connection %s cannot be changed", id)
		}
		if err := errors.Join(settings.Set{Connections: []settings.Connection{c}}.Check(), s.unique(c)); err != nil {
			return err
		}
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode connection %s: %w", id, err)
		}
		if stored, err := s.put(ctx, key, b, rev); stored || err != nil {
			return err
		}
	}
	return beingChanged(id)
}

// unique makes sure that no account of c belongs to another connection.
func (s *Settings) unique(c settings.Connection) error {
	for _, a := range c.Accounts {
		if other, _, ok := s.Current().Account(a.ID); ok && other.ID != c.ID {
			return fault.Field("accounts", "account %s belongs to connection %s: account ids are unique over all connections", a.ID, other.ID)
		}
	}
	return nil
}
