// Package carrierimport is the door for carriers' files: watched folders and uploads. A file is claimed by renaming it, read
// by the account's profile row by row, matched to Amazon orders (by Amazon's id or through the merchant's order list), and
// handed in as shipped events; then the original is archived with a line-by-line result beside it.
//
// It guarantees that no row is lost: each is taken, already known, or kept in the quarantine with line number, reason and
// original. The same file twice makes no second event, because an event's id is made of the file's content and the line.
// While NATS is away a claimed file waits and is tried again; handing it in again is harmless.
//
// It does not decide what becomes of an order, maps no carriers, and lets nothing but the mapped columns of a row out of
// the folder: addresses in a carrier's file stay there.
package carrierimport
