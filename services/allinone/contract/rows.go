package contract

import (
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/shipment"
)

// row is a rule of the catalogue with what provokes it and where the shipment it strikes must end.
type row struct {
	rule  string
	fault *amazonsim.Fault       // in force for the row's seller
	order func(*amazonsim.Order) // changes the order Amazon has; nil with missing: Amazon has none
	tell  func(*event.Shipped)   // changes the report
	dead  bool                   // the connection's address leads nowhere
	bare  bool                   // there is no secret
	gone  bool                   // Amazon does not know the order
	state shipment.State         // where it ends
	kind  shipment.Kind
	halt  bool // the connection is halted, and says why
	says  bool // a message says that transmission failed
}

// answer is an answer in the words of the fact sheet.
func answer(op string, status int, code, message, details string) *amazonsim.Fault {
	return &amazonsim.Fault{Kind: amazonsim.FaultAnswer, Operation: op, Status: status, Code: code, Message: message, Details: details}
}

func body(op string, status int, text string) *amazonsim.Fault {
	return &amazonsim.Fault{Kind: amazonsim.FaultAnswer, Operation: op, Status: status, Body: text}
}

func fault(kind amazonsim.FaultKind, op string) *amazonsim.Fault {
	return &amazonsim.Fault{Kind: kind, Operation: op}
}

const (
	confirm = amazonsim.OpConfirmShipment
	read    = amazonsim.OpGetOrder
	token   = amazonsim.OpToken

	anything = "" // but the token endpoint
)

// refused is a 400 in Amazon's form: the text alone tells what is wrong.
func refused(text string) *amazonsim.Fault { return answer(confirm, 400, "InvalidInput", text, "") }

const denied = "Access to requested resource is denied."

func whole(s *event.Shipped) { s.Items = nil }

// rows are all answers of Amazon in the catalogue. What the simulator does by itself is left to it; the rest it is told to
// say.
var rows = append(append(connectionRows, tokenRows...), orderRows...)

// rejectedRow is one of the many texts after which somebody has to correct something.
func rejectedRow(rule string, f *amazonsim.Fault) row {
	return row{rule: rule, fault: f, state: shipment.Deferred, kind: shipment.Rejected, says: true}
}

func doubtful(rule string, f *amazonsim.Fault) row {
	return row{rule: rule, fault: f, state: shipment.Doubt}
}

func halted(rule string, f *amazonsim.Fault) row {
	return row{rule: rule, fault: f, state: shipment.Pending, halt: true}
}

var connectionRows = []row{
	{rule: "confirmed", state: shipment.Confirmed},
	{rule: "read", tell: whole, state: shipment.Confirmed},
	{rule: "unreadable-order", tell: whole, fault: body(read, 200, "<html>"), state: shipment.Pending},
	{rule: "not-sent", dead: true, state: shipment.Deferred, kind: shipment.Transient, says: true},
	{rule: "no-answer", fault: fault(amazonsim.FaultResetBefore, confirm), state: shipment.Doubt},
	{rule: "no-answer", fault: fault(amazonsim.FaultResetAfter, confirm), state: shipment.Confirmed},
	{rule: "no-answer", fault: &amazonsim.Fault{Kind: amazonsim.FaultTimeoutAfter, Operation: confirm, Times: 1}, state: shipment.Confirmed},
	{rule: "throttled", fault: fault(amazonsim.FaultThrottle, confirm), state: shipment.Deferred, kind: shipment.Throttled, says: true},
	{rule: "unavailable", fault: fault(amazonsim.FaultUnavailable, confirm), state: shipment.Deferred, kind: shipment.Transient, says: true},
	{rule: "internal-failure", fault: fault(amazonsim.FaultErrorBefore, confirm), state: shipment.Doubt},
	{rule: "internal-failure", fault: fault(amazonsim.FaultErrorAfter, confirm), state: shipment.Confirmed},
	doubtful("server-error", body(confirm, 502, "<html>bad gateway</html>")),
	doubtful("unexpected-success", answer(confirm, 202, "", "", "")),
	halted("redirected", body(confirm, 302, "")),
	halted("wrong-region", answer(confirm, 403, "Unauthorized", denied, "The marketplaces you provided are not valid for region.")),
	halted("token-missing", answer(anything, 403, "Unauthorized", denied, "Access token is missing in the request header.")),
	halted("token-expired", fault(amazonsim.FaultExpiredToken, anything)),
	halted("token-invalid", answer(anything, 403, "Unauthorized", denied, "The access token you provided is revoked, malformed or invalid.")),
	halted("access-denied", fault(amazonsim.FaultAccessDenied, anything)),
	halted("unauthorised", answer(anything, 401, "Unauthorized", "Authorization header is not formatted correctly.", "")),
	rejectedRow("unknown-rejection", refused("The moon is in the wrong phase for order 302-1234567-1234567.")),
}

var tokenRows = []row{
	halted("authorisation-revoked", fault(amazonsim.FaultRevokedGrant, token)),
	halted("secret-refused", fault(amazonsim.FaultSecretExpired, token)),
	halted("application-refused", answer(token, 400, "unauthorized_client", "The client is not authorized.", "")),
	halted("token-refused", answer(token, 400, "invalid_scope", "The requested scope is invalid.", "")),
	halted("token-redirected", body(token, 302, "")),
	{rule: "credentials-missing", bare: true, state: shipment.Pending, halt: true},
	{rule: "token-issued", state: shipment.Confirmed},
	{rule: "token-throttled", fault: fault(amazonsim.FaultThrottle, token), state: shipment.Pending},
	{rule: "token-unavailable", fault: fault(amazonsim.FaultUnavailable, token), state: shipment.Pending},
	{rule: "token-unanswered", fault: fault(amazonsim.FaultResetBefore, token), state: shipment.Pending},
	{rule: "token-unreadable", fault: body(token, 200, "<html>"), state: shipment.Pending},
}

var orderRows = []row{
	{rule: "order-unknown", gone: true, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	{rule: "package-not-found", order: func(o *amazonsim.Order) { o.Status = amazonsim.Shipped }, state: shipment.Confirmed, kind: shipment.Elsewhere},
	rejectedRow("package-not-found", refused("Failed to create package. ErrorMessage(errorMetric=PackageToUpdateNotFound, packageIndex=null)")), // and the order is open
	rejectedRow("no-matching-package", refused("Failed to create package due to not finding a matching package.")),
	rejectedRow("already-fulfilled", refused("The order is already fulfilled.")),
	rejectedRow("already-shipped", refused("The item was already shipped.")),
	rejectedRow("package-version", refused("ErrorCode: InvalidPackageVersion Description: the package has changed.")),
	rejectedRow("edit-limit", refused("The maximum number of allowed updates is reached.")),
	{rule: "overfulfilment", tell: func(s *event.Shipped) { s.Items[0].Quantity = 9 }, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	{rule: "item-nonexistent", order: func(o *amazonsim.Order) { o.Status = amazonsim.Cancelled }, state: shipment.Closed, kind: shipment.Cancelled},
	{rule: "carrier-unsupported", tell: func(s *event.Shipped) { s.Carrier = "Brieftaube" }, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	{rule: "carrier-name", fault: refused("ErrorCode: CarrierNameCorrection Description: Enter the carrier name"), state: shipment.Deferred, kind: shipment.Rejected, says: true},
	rejectedRow("tracking-duplicate", refused("ErrorCode: DuplicateTrackingId Description: the tracking ID is used for another order.")),
	{rule: "tracking-blocked", tell: func(s *event.Shipped) { s.Tracking = blockedNumber }, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	{rule: "tracking-format", tell: func(s *event.Shipped) { s.Tracking = "X1" }, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	rejectedRow("tracking-invalid", refused("Enter a valid tracking ID")),
	{rule: "item-id-invalid", tell: func(s *event.Shipped) { s.Items[0].OrderItemID = "99999999999999" }, state: shipment.Deferred, kind: shipment.Rejected, says: true},
	rejectedRow("package-reference-invalid", refused("PackageReferenceId: is invalid, must be a positive numeric value.")),
	rejectedRow("package-reference-type", refused("The input you have submitted is not valid. Please check the fields with invalid type [packageDetail.packageReferenceId].")),
	rejectedRow("ship-date-invalid", refused("shipDate lies before the order was placed.")),
	rejectedRow("field-type", refused("The input you have submitted is not valid. Please check the fields with invalid type [packageDetail.orderItems].")),
	{rule: "ship-plus", order: func(o *amazonsim.Order) { o.Programs = []string{amazonsim.ProgramShipPlus} }, state: shipment.NotRequired},
	{rule: "ship-plus-program", fault: refused("Orders of the program FBM_SHIP_PLUS need no confirmation."), state: shipment.NotRequired},
	{rule: "fulfilled-by-amazon", order: func(o *amazonsim.Order) { o.FulfilledBy = "AMAZON" }, state: shipment.NotRequired},
	{rule: "fulfilled-by-amazon-fba", fault: refused("This is an FBA order."), state: shipment.NotRequired},
	{rule: "order-pending", order: func(o *amazonsim.Order) { o.Status = amazonsim.Pending }, state: shipment.Deferred, kind: shipment.Transient, says: true},
	rejectedRow("order-failed-validation", refused("Failed validation because order has a hold.")),
	rejectedRow("sandbox-no-match", refused("Could not match input arguments")),
	rejectedRow("sandbox-invalid-input", answer(confirm, 400, "Invalid Input", "Invalid Input", "")),
	rejectedRow("input-invalid", refused("The input you have submitted is not valid. Please check your input and try again.")),
}

const blockedNumber = "00340434161094040404"

// ours are the rows that no answer of Amazon brings about: the client's own tests hold them.
var ours = map[string]string{
	"held":      "the breaker is open, so nothing is sent",
	"withdrawn": "the run ended while the request waited for its turn",
	"stopped":   "the process was stopped while the answer was awaited",

	"unreadable-answer": "an answer that broke off in the middle of its body",
	"unknown-answer":    "a status that no server sends",
}
