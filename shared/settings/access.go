package settings

import "time"

// How long Amazon lets an authorisation and a client secret live. Sources: the Selling Partner API's guides "Authorizing
// Selling Partner API Applications" and "Rotating your app's client secret".
const (
	AuthorisationLasts = 365 * 24 * time.Hour
	SecretLasts        = 180 * 24 * time.Hour
)

// Ending is something of a connection's access that ends on a day.
type Ending struct {
	What string // authorisation or secret
	On   time.Time
}

// Endings are the ends of a connection's access that are known, the nearest first. Days that cannot be read are left out;
// Check names them.
func (c Connection) Endings() []Ending {
	var out []Ending
	for _, e := range []struct {
		what, from string
		lasts      time.Duration
	}{{"authorisation", c.AuthorisedOn, AuthorisationLasts}, {"secret", c.SecretIssuedOn, SecretLasts}} {
		if from, err := time.Parse(time.DateOnly, e.from); err == nil {
			out = append(out, Ending{e.what, from.Add(e.lasts)})
		}
	}
	if len(out) == 2 && out[1].On.Before(out[0].On) {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// DaysLeft is how many whole days are left at now, 0 on the last day and negative afterwards.
func (e Ending) DaysLeft(now time.Time) int {
	left := e.On.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 {
		days--
	}
	return days
}
