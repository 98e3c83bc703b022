package stream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestHistory(t *testing.T) {
	srv := natstest.Start(t)
	js, err := jetstream.New(srv.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.OpenSettings(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := s.History(t.Context()); err != nil || len(h) != 0 {
		t.Fatalf("%v, %v", h, err)
	}
	before := time.Now()
	conn := settings.Connection{ID: "EU", Region: "eu", Endpoint: "http://127.0.0.1:1", TokenEndpoint: "http://127.0.0.1:1", ClientID: "c", ClientSecret: "env:A",
		RefreshToken: "env:B", Accounts: []settings.Account{{ID: "DE", Marketplace: "A1PA6795UKMFR9"}}}
	na := conn
	na.ID, na.Accounts = "NA", []settings.Account{{ID: "US", Marketplace: "ATVPDKIKX0DER"}}
	if err := s.Seed(t.Context(), settings.Set{Connections: []settings.Connection{conn, na}}); err != nil {
		t.Fatal(err)
	}
	err = s.Change(t.Context(), "EU", func(c *settings.Connection) error { c.Accounts[0].Schedule.Cron = "0 9 * * *"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), stream.ConfigBucket)
	if err == nil {
		err = kv.Delete(t.Context(), "connection.NA")
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range []settings.Connection{conn, na} {
		last := before.Add(-time.Second)
		for _, r := range h[id.ID] {
			if r.From.Before(last) || r.From.After(time.Now().Add(time.Second)) {
				t.Errorf("%s at %s", id.ID, r.From)
			}
			last = r.From
			cron := ""
			if !r.Gone {
				cron = r.Connection.Accounts[0].Schedule.Cron
			}
			got = append(got, fmt.Sprint(id.ID, " ", cron, r.Gone))
		}
	}
	if want := []string{"EU 0 12,15,18 * * *false", "EU 0 9 * * *false", "NA 0 12,15,18 * * *false", "NA true"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
