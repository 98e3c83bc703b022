// Package notify raises and clears the maintenance messages. It owns the rules when there is reason for one: transmission
// failed after a run, shipments too old to be sent, a connection that is halted, a slot that did not run. It guarantees that a message is cleared
// as soon as its reason is gone and raised anew, with new time and count, when something still fails; that it can be
// stopped anywhere and started again; and that of several replicas one is at work, under a lease. It does not act on
// messages and does not send mail.
package notify
