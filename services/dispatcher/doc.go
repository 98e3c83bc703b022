// Package dispatcher tells Amazon that orders have shipped. This is the way of one confirmation through it:
//
//	FERTIG_SHIPPED  a sender's event waits here
//	intake          takes it in: "accepted" on the shipment's subject of FERTIG_LEDGER, expected sequence 0
//	project         copies the ledger to the view in Redis: the shipment now waits in its account's queue
//	run             a trigger arrives; the worker that holds the connection's lease takes shipments out of the queues,
//	                failed ones first, then new ones, the nearest ship-by first, accounts by turns
//	plan            decides: in which order, what an answer means, what a reading proves
//	spapi           access token, quota, breaker: a permit
//	attempt         "attempt" in the ledger, one request, "outcome" in the ledger
//
// The package is the service's only door: New, Run. It guarantees that several dispatchers may run side by side: intake
// is shared, every connection and the projection belong to whoever holds their lease, and every decision is a
// compare-and-set, so that a holder who lost its lease without noticing can do no harm. It schedules nothing and serves
// no people.
package dispatcher
