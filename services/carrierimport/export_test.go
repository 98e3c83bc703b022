package carrierimport

import (
	"context"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
)

// GuardDoor makes every use of the door ask first, so that a test can close it.
func (s *Service) GuardDoor(ask func() error) { s.door = guarded{s.door, ask} }

type guarded struct {
	door interface {
		Submit(context.Context, []event.Event) ([]door.Verdict, error)
		Reject(context.Context, door.Rejected) error
	}
	ask func() error
}

func (g guarded) Submit(ctx context.Context, events []event.Event) ([]door.Verdict, error) {
	if err := g.ask(); err != nil {
		return nil, err
	}
	return g.door.Submit(ctx, events)
}

func (g guarded) Reject(ctx context.Context, r door.Rejected) error {
	if err := g.ask(); err != nil {
		return err
	}
	return g.door.Reject(ctx, r)
}
