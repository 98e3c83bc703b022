// Package console is the door for people and their programs: the operator API, the web pages and the maintenance messages.
//
// A clerk opens the page, sees what carries the flag and why, corrects a carrier and presses the message's button; a
// program posts shipped orders to /api/v1/shipments. Both go through the same methods of internal/ops, which check the
// role, append the change to the ledger with actor and comment, and ask for runs by a trigger. What happens at Amazon is
// the dispatcher's business; the console only reads what it tells: run logs, progress, the Redis view, and answers to
// questions about a connection (internal/control). internal/notify raises and clears the maintenance messages under a
// lease, so that any number of consoles may run.
//
// The console guarantees that nothing is changed without a name and a reason and that every refusal says what helps. It
// never decides an outcome, never talks to Amazon, and never writes the view.
package console
