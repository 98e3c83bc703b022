package ops

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Role says how far somebody may go. Each role may do what the one before may.
type Role string

// The roles: a viewer reads, an operator acts on shipments and runs, support configures.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Support  Role = "support"
)

// Roles lists the roles from the narrowest to the widest.
var Roles = [...]Role{Viewer, Operator, Support}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles[:], r) }

// Includes reports whether r may do what other may. An unknown role may nothing.
func (r Role) Includes(other Role) bool {
	return r.Valid() && slices.Index(Roles[:], r) >= slices.Index(Roles[:], other)
}

// Actor is who asks. Accounts limits what is seen and touched; empty means all.
type Actor struct {
	Name     string
	Role     Role
	Accounts []shipment.AccountID
}

// May reports whether the actor's role includes r; pages use it to leave out buttons.
func (a Actor) May(r Role) bool { return a.Role.Includes(r) }

// Sees reports whether the account is among the actor's.
func (a Actor) Sees(id shipment.AccountID) bool {
	return len(a.Accounts) == 0 || slices.Contains(a.Accounts, id)
}

func (a Actor) need(r Role) error {
	if a.May(r) {
		return nil
	}
	return Advise(fault.New(fault.Forbidden, "this needs the role %s, %s has the role %s", r, a.Name, a.Role),
		"ask somebody who has the role %s, or have it given to your token", r)
}

func (a Actor) needAccount(id shipment.AccountID) error {
	if a.Sees(id) {
		return nil
	}
	e := fault.New(fault.Forbidden, "account %s is not among the accounts of %s", id, a.Name)
	e.Field = "account"
	return Advise(e, "ask somebody who works on that account, or have it added to your token")
}

// maxComment bounds a comment, in characters.
const maxComment = 500

// reason checks a mandatory comment and returns it without blanks around it.
func reason(comment string) (string, error) {
	c := strings.TrimSpace(comment)
	n := utf8.RuneCountInString(c)
	switch {
	case n == 0:
		return "", Advise(fault.Field("comment", "is missing"), "say in a few words why: the comment stays in the history")
	case n > maxComment:
		return "", Advise(fault.Field("comment", "is %d characters long", n), "use at most %d characters", maxComment)
	case strings.ContainsFunc(c, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return "", Advise(fault.Field("comment", "has control characters inside"), "remove them")
	}
	return c, nil
}
