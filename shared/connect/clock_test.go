package connect

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

// A clock that is a little off is told of, one that would decide wrongly keeps a process from starting.
func TestClocksAreCompared(t *testing.T) {
	js, err := jetstream.New(natstest.StartIn(t, t.TempDir()).Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Ensure(t.Context(), js, stream.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		off           time.Duration
		told, refused string
	}{
		{0, "", ""}, {time.Minute, "ahead of that of NATS", ""}, {-time.Minute, "behind that of NATS", ""},
		{time.Hour, "", "ahead of that of NATS: set both right"}, {-24 * time.Hour, "", "behind that of NATS: set both right"},
	} {
		var log bytes.Buffer
		err := clock(t.Context(), js, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return time.Now().Add(row.off) })
		if (err == nil) != (row.refused == "") || err != nil && (!strings.Contains(err.Error(), row.refused) || !fault.Is(err, fault.Invalid)) {
			t.Errorf("%s off: %v", row.off, err)
		}
		if (log.Len() == 0) != (row.told == "") || !strings.Contains(log.String(), row.told) {
			t.Errorf("%s off: told %q", row.off, log.String())
		}
	}
}
