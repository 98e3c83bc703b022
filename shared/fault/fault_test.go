package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindSurvivesWrapping(t *testing.T) {
	cause := errors.New("disk full")
	for _, c := range []struct {
		err  error
		kind Kind
		text string
	}{
		{nil, "", ""},
		{cause, Internal, "disk full"},
		{New(NotFound, "run %d", 7), NotFound, "run 7"},
		{fmt.Errorf("ask: %w", Field("id", "is missing")), Invalid, "ask: id: is missing"},
		{Wrap(Unavailable, cause, "append"), Unavailable, "append: disk full"},
		{Wrap(Unavailable, New(Invalid, "inner"), "outer"), Unavailable, "outer: inner"},
		{errors.Join(cause, New(Conflict, "second")), Conflict, "disk full\nsecond"},
	} {
		if KindOf(c.err) != c.kind || c.err != nil && (c.err.Error() != c.text || !Is(c.err, c.kind)) {
			t.Errorf("%v: kind %q, want %q with %q", c.err, KindOf(c.err), c.kind, c.text)
		}
	}
	if !errors.Is(Wrap(Unavailable, cause, "append"), cause) {
		t.Error("the cause is hidden")
	}
}
