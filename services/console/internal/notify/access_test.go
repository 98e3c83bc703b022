package notify

import (
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
)

func TestWhenTheEndOfAnAccessIsDue(t *testing.T) {
	c := settings.Connection{ID: "EU", AuthorisedOn: "2026-01-01", SecretIssuedOn: "2026-08-01"} // end 2027-01-01 and 2027-01-28
	for day, want := range map[string]string{
		"2026-11-30": "", "2026-12-02": "access_ends.EU.authorisation.2027-01-01.30", "2026-12-24": "access_ends.EU.authorisation.2027-01-01.14",
		"2026-12-25": "access_ends.EU.authorisation.2027-01-01.7", "2026-12-31": "access_ends.EU.authorisation.2027-01-01.1", "2027-02-01": "access_ends.EU.authorisation.2027-01-01.1",
	} {
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if m, due := ending(c, now); m.ID != want || due != (want != "") {
			t.Errorf("on %s: %q, want %q", day, m.ID, want)
		}
	}
	c.AuthorisedOn = "2026-12-20" // renewed
	if m, _ := ending(c, time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)); m.ID != "access_ends.EU.secret.2027-01-28.30" {
		t.Errorf("after the renewal: %q", m.ID)
	}
}
