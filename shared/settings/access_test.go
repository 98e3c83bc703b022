package settings

import (
	"testing"
	"time"
)

func TestEndings(t *testing.T) {
	c := Connection{AuthorisedOn: "2026-01-01", SecretIssuedOn: "2026-08-01"}
	e := c.Endings()
	if len(e) != 2 || e[0].What != "authorisation" || e[0].On.Format(time.DateOnly) != "2027-01-01" || e[1].On.Format(time.DateOnly) != "2027-01-28" {
		t.Fatalf("%+v", e)
	}
	for at, want := range map[string]int{"2026-12-02T00:00:00Z": 30, "2026-12-31T23:00:00Z": 0, "2027-01-01T00:00:00Z": 0, "2027-01-01T01:00:00Z": -1} {
		now, err := time.Parse(time.RFC3339, at)
		if got := e[0].DaysLeft(now); err != nil || got != want {
			t.Errorf("at %s: %d days left, want %d", at, got, want)
		}
	}
	if e := (Connection{SecretIssuedOn: "soon"}).Endings(); len(e) != 0 {
		t.Errorf("%+v", e)
	}
}
