package ops

import (
	"context"
	"slices"
	"testing"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// two are settings of two connections that do not change.
type two struct{ Settings }

func (two) Current() settings.Set {
	return settings.Set{Connections: []settings.Connection{
		{ID: "EU", Accounts: []settings.Account{{ID: "DE"}, {ID: "FR"}}}, {ID: "UK", Accounts: []settings.Account{{ID: "UK1"}}}}}
}

// raised are the messages there are.
type raised struct {
	Messages
	all []message.Message
}

func (r raised) Open(context.Context) ([]message.Message, error) { return r.all, nil }

func TestMessagesOfOtherConnectionsAreNotSeen(t *testing.T) {
	o := New(Config{Settings: two{}, Messages: raised{all: []message.Message{
		{ID: "halted EU", Kind: message.Halted, Connection: "EU"}, {ID: "halted UK", Kind: message.Halted, Connection: "UK"},
		{ID: "halted gone", Kind: message.Halted, Connection: "US"}, {ID: "DE", Kind: message.Expired, Connection: "EU", Account: "DE"},
		{ID: "FR", Kind: message.Expired, Connection: "EU", Account: "FR"}, {ID: "general", Kind: message.ImportRows}}}})
	for _, c := range []struct {
		accounts []shipment.AccountID
		want     []string
	}{
		{nil, []string{"halted EU", "halted UK", "halted gone", "DE", "FR", "general"}},
		{[]shipment.AccountID{"FR"}, []string{"halted EU", "FR", "general"}},
		{[]shipment.AccountID{"UK1"}, []string{"halted UK", "general"}},
	} {
		ms, err := o.Messages(t.Context(), Actor{Name: "fleur", Role: Viewer, Accounts: c.accounts})
		var got []string
		for _, m := range ms {
			got = append(got, m.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("who works on %v sees %q, %v, want %q", c.accounts, got, err, c.want)
		}
	}
}
