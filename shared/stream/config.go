package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Settings is the configuration bucket as a value that is always there: it follows every change, so nothing needs a
// restart. It is safe for concurrent use.
type Settings struct {
	kv      jetstream.KeyValue
	current atomic.Pointer[settings.Set]
	changed chan struct{}
}

// OpenSettings reads everything configured so far. Run must be running for changes to arrive.
func OpenSettings(ctx context.Context, js jetstream.JetStream) (*Settings, error) {
	kv, err := js.KeyValue(ctx, ConfigBucket)
	if err != nil {
		return nil, fmt.Errorf("open configuration bucket: %w", err)
	}
	s := &Settings{kv: kv, changed: make(chan struct{}, 1)}
	s.store(nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s, s.follow(ctx, true)
}

// Current returns the settings as they are now. The set is shared and must not be changed.
func (s *Settings) Current() settings.Set { return *s.current.Load() }

// Changed delivers after a change; several changes may arrive as one.
func (s *Settings) Changed() <-chan struct{} { return s.changed }

// Run follows the bucket until ctx ends.
func (s *Settings) Run(ctx context.Context) error { return s.follow(ctx, false) }

func (s *Settings) follow(ctx context.Context, once bool) error {
	w, err := s.kv.Watch(ctx, "connection.*")
	if err != nil {
		return fmt.Errorf("watch settings: %w", err)
	}
	defer w.Stop()
	all := map[shipment.ConnectionID]settings.Connection{}
	initial := true
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Updates():
			if e == nil { // everything that was there has been delivered
				initial = false
				s.store(all)
				if once {
					return nil
				}
				continue
			}
			var c settings.Connection
			if e.Operation() == jetstream.KeyValuePut && json.Unmarshal(e.Value(), &c) == nil {
				all[c.ID] = c
			}
			if !initial {
				s.store(all)
				select {
				case s.changed <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (s *Settings) store(all map[shipment.ConnectionID]settings.Connection) {
	var set settings.Set
	for _, c := range all {
		set.Connections = append(set.Connections, c.WithDefaults())
	}
	sort.Slice(set.Connections, func(i, j int) bool { return set.Connections[i].ID < set.Connections[j].ID })
	s.current.Store(&set)
}

// Seed writes connections that differ from what is stored. A configuration file wins over earlier settings, so the file
// stays what people can trust.
func (s *Settings) Seed(ctx context.Context, set settings.Set) error {
	for _, c := range set.Connections {
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode connection %s: %w", c.ID, err)
		}
		key := "connection." + string(c.ID)
		old, err := s.kv.Get(ctx, key)
		if err == nil && string(old.Value()) == string(b) {
			continue
		}
		if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("read connection %s: %w", c.ID, err)
		}
		if _, err := s.kv.Put(ctx, key, b); err != nil {
			return fmt.Errorf("store connection %s: %w", c.ID, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.follow(ctx, true)
}

// Change edits one connection by compare-and-set and stores it if edit returns no error and the result is sound.
func (s *Settings) Change(ctx context.Context, id shipment.ConnectionID, edit func(*settings.Connection) error) error {
	key := "connection." + string(id)
	for range 10 {
		e, err := s.kv.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return fault.New(fault.NotFound, "connection %s is not known", id)
		}
		if err != nil {
			return fmt.Errorf("read connection %s: %w", id, err)
		}
		var c settings.Connection
		if err := json.Unmarshal(e.Value(), &c); err != nil {
			return fmt.Errorf("decode connection %s: %w", id, err)
		}
		c = c.WithDefaults()
		if err := edit(&c); err != nil {
			return err
		}
		if err := (settings.Set{Connections: []settings.Connection{c}}).Check(); err != nil {
			return err
		}
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode connection %s: %w", id, err)
		}
		if _, err = s.kv.Update(ctx, key, b, e.Revision()); err == nil {
			return nil
		}
		if !LostRace(err) && !errors.Is(err, jetstream.ErrKeyExists) {
			return fmt.Errorf("store connection %s: %w", id, err)
		}
	}
	return fault.New(fault.Conflict, "connection %s is being changed by somebody else: try again", id)
}
