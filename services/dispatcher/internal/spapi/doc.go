// Package spapi is the dispatcher's client of Amazon's Selling Partner API for one connection: one seller's
// authorisation of one application in one region. It owns the access token, the quota of each operation, the circuit
// breakers, the wire format of confirmShipment (Orders v0) and of the order read-back (Orders 2026-01-01), and the
// classification of every answer by the catalogue in shared/outcome.
//
// It guarantees that a permit sends exactly one request, that nothing is held while a caller waits (access token first,
// then quota, then breaker), that an answer says whether the request provably was not sent, may have been sent or was
// answered, and that no secret appears in an answer, error or log. Everything is bounded: time, body size, waiting.
//
// It does not retry, does not decide what becomes of a shipment, and never asks Amazon for the buyer or the recipient.
package spapi
