// Package plan is the dispatcher's policy: in which order shipments are tried, what an answer of Amazon makes of a
// shipment, what a reading of the order proves, and which group of failures is held back. It is pure: it knows no clock,
// no storage and no network, gives a reason with every decision, and is safe for concurrent use where it has state of
// its own only if its caller says so. It never decides whether something may be sent now; quota, breaker and lease do.
package plan
