// Package contract holds Fertig to Amazon's published models. It lets the real dispatcher work against the real simulator
// with a checker in between, provokes every answer of the outcome catalogue, and compares where each shipment ends, what
// people are told and what helps with what the catalogue promises. It guarantees that a row without provocation, an
// operation without model and an undeclared field, header or status are violations. It measures nothing, and says nothing
// about the parts of Amazon that Fertig does not use.
package contract
