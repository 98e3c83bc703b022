package stream

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// History returns the revisions of every connection's settings that the bucket still has, the oldest first. It keeps the
// last twenty: what was in force before the oldest of them is not known.
func (s *Settings) History(ctx context.Context) (map[shipment.ConnectionID][]settings.Revision, error) {
	all := map[string][]settings.Revision{}
	err := Scan(ctx, s.js, configStream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{configSubjects},
		DeliverPolicy: jetstream.DeliverAllPolicy}, func(m jetstream.Msg, _ uint64) error {
		md, err := m.Metadata()
		if err != nil {
			return err
		}
		r := settings.Revision{From: md.Timestamp, Gone: m.Headers().Get("KV-Operation") != ""}
		if !r.Gone {
			var c settings.Connection
			if json.Unmarshal(m.Data(), &c) != nil {
				return nil // as merge does: it left the connection as it was
			}
			r.Connection = c.WithDefaults()
		}
		all[m.Subject()] = append(all[m.Subject()], r)
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the history of settings")
	}
	out := make(map[shipment.ConnectionID][]settings.Revision, len(all))
	for subject, rs := range all {
		out[shipment.ConnectionID(subject[len(configSubjects)-1:])] = rs
	}
	return out, nil
}
