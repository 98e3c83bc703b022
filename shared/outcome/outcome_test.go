package outcome

import (
	"strings"
	"testing"
)

// The rows are Amazon's answers as documented or observed; the message texts are Amazon's.
func TestClassify(t *testing.T) {
	const denied = "Access to requested resource is denied."
	rows := []struct {
		name   string
		answer Answer
		id     string
		class  Class
		effect Effect
		burns  bool
		kind   string
		field  string
	}{
		{"success", Answer{Confirm, 204, "", "", ""}, "confirmed", OK, Success, true, "", ""},
		{"success nobody documents", Answer{Confirm, 200, "", "<html>Welcome to the hotel</html>", ""}, "unexpected-success", Ambiguous, Failure, true, KindTransient, ""},
		{"an order", Answer{Read, 200, "", "", ""}, "read", OK, Success, false, "", ""},
		{"an order cut off", Answer{Read, 200, CodeUnreadable, "", ""}, "unreadable-order", Retry, Failure, false, KindTransient, ""},
		{"throttled", Answer{Confirm, 429, "QuotaExceeded", "You exceeded your quota for the requested resource.", ""}, "throttled", Throttled, Excluded, false, KindThrottled, ""},
		{"internal failure", Answer{Confirm, 500, "InternalFailure", "We encountered an internal error. Please try again.", ""}, "internal-failure", Ambiguous, Failure, true, KindTransient, ""},
		{"maintenance", Answer{Confirm, 503, "ServiceUnavailable", "Service is temporarily unavailable.", ""}, "unavailable", Retry, Failure, true, KindTransient, ""},
		{"bad gateway", Answer{Confirm, 502, "", "", ""}, "server-error", Ambiguous, Failure, true, KindTransient, ""},
		{"gateway timeout", Answer{Confirm, 504, "", "", ""}, "server-error", Ambiguous, Failure, true, KindTransient, ""},
		{"no answer", Answer{Confirm, 0, CodeNoAnswer, "", ""}, "no-answer", Ambiguous, Failure, true, KindTransient, ""},
		{"not sent", Answer{Confirm, 0, CodeNotSent, "", ""}, "not-sent", Retry, Failure, false, KindTransient, ""},
		{"held", Answer{Confirm, 0, CodeHeld, "", ""}, "held", Retry, Excluded, false, KindTransient, ""},
		{"withdrawn", Answer{Confirm, 0, CodeWithdrawn, "", ""}, "withdrawn", Retry, Excluded, false, KindTransient, ""},
		{"stopped", Answer{Confirm, 0, CodeStopped, "", ""}, "stopped", Ambiguous, Excluded, true, KindTransient, ""},
		{"expired token", Answer{Confirm, 403, "Unauthorized", denied, "The access token you provided has expired."}, "token-expired", Auth, Excluded, false, KindTransient, ""},
		{"missing token", Answer{Confirm, 403, "Unauthorized", denied, "Access token is missing in the request header."}, "token-missing", Auth, Failure, false, KindTransient, ""},
		{"bad token", Answer{Confirm, 403, "Unauthorized", denied, "The access token you provided is revoked, malformed or invalid."}, "token-invalid", Auth, Failure, false, KindTransient, ""},
		{"denied", Answer{Confirm, 403, "Unauthorized", denied, ""}, "access-denied", Auth, Failure, false, KindTransient, ""},
		{"wrong region", Answer{Confirm, 403, "Unauthorized", denied, "The marketplaces you provided are not valid for region."}, "wrong-region", Account, Failure, false, KindTransient, ""},
		{"unauthorised", Answer{Confirm, 401, "", "", ""}, "unauthorised", Auth, Failure, false, KindTransient, ""},
		{"redirect", Answer{Confirm, 302, "", "", ""}, "redirected", Account, Failure, false, KindTransient, ""},
		{"unknown order", Answer{Confirm, 404, "NotFound", "Resource not found.", ""}, "order-unknown", Data, Success, true, KindRejected, FieldOrder},
		{"unknown order read", Answer{Read, 404, "ResourceNotFound", "", ""}, "order-unknown", Data, Success, true, KindRejected, FieldOrder},
		{"package to update", refused("Failed to create package due to not finding a matching package or order already fulfilled. ErrorMessage(errorCode=GeneralError, errorDescription=Unable to find package to update for order (250-6220485-3709425), errorMetric=PackageToUpdateNotFound, packageIndex=null)"), "package-not-found", Already, Success, true, KindRejected, FieldOrder},
		{"no matching package", refused("Failed to create package due to not finding a matching package"), "no-matching-package", Already, Success, true, KindRejected, FieldOrder},
		{"already fulfilled", refused("The order was already fulfilled."), "already-fulfilled", Already, Success, true, KindRejected, FieldOrder},
		{"already shipped", refused("Order has Already Shipped"), "already-shipped", Already, Success, true, KindRejected, FieldOrder},
		{"package version", refused("ErrorCode: InvalidPackageVersion Description: ..."), "package-version", Already, Success, true, KindRejected, FieldPackageReference},
		{"edit limit", refused("The package has reached the maximum number of allowed updates."), "edit-limit", Already, Success, true, KindRejected, FieldPackageReference},
		{"too many units", refused("Failed to create/update package due to overfulfillment"), "overfulfilment", Already, Success, true, KindRejected, FieldItems},
		{"cancelled", refused("ErrorCode: NonexistentOrderItem Description: Failed to find order item list by order ID: 302-1234567-1234567"), "item-nonexistent", Order, Success, true, KindRejected, FieldItems},
		{"item id", refused("OrderItemId  is invalid, please obtain the value through the getOrderItems API or Manage Orders page"), "item-id-invalid", Data, Success, true, KindRejected, FieldItems},
		{"package reference", refused("PackageReferenceId: is invalid, must be a positive numeric value."), "package-reference-invalid", Data, Success, true, KindRejected, FieldPackageReference},
		{"package reference type", refused("The input you have submitted is not valid. Please check the fields with invalid type [packageDetail.packageReferenceId]."), "package-reference-type", Data, Success, true, KindRejected, FieldPackageReference},
		{"ship date type", refused("The input you have submitted is not valid. Please check the fields with invalid type [packageDetail.shipDate]."), "ship-date-invalid", Data, Success, true, KindRejected, FieldShipDate},
		{"another type", refused("The input you have submitted is not valid. Please check the fields with invalid type [packageDetail.orderItems]."), "field-type", Data, Success, true, KindRejected, ""},
		{"generic", refused("The input you have submitted is not valid. Please check your input and try again."), "input-invalid", Data, Success, true, KindRejected, ""},
		{"carrier", refused("ErrorCode: InvalidCarrier Description: Selected carrier is not supported"), "carrier-unsupported", Data, Success, true, KindRejected, FieldCarrier},
		{"carrier name", refused("ErrorCode: CarrierNameCorrection Description: ..."), "carrier-name", Data, Success, true, KindRejected, FieldCarrier},
		{"duplicate tracking", refused("ErrorCode: DuplicateTrackingId Description: ..."), "tracking-duplicate", Data, Success, true, KindRejected, FieldTracking},
		{"blocked tracking", refused("ErrorCode: BlockedTrackingId Description: ..."), "tracking-blocked", Data, Success, true, KindRejected, FieldTracking},
		{"tracking format", refused("The tracking ID [123] for [DHL] does not match the expected format for the carrier. Please verify that you have entered the tracking ID and carrier name correctly."), "tracking-format", Data, Success, true, KindRejected, FieldTracking},
		{"tracking", refused("Enter a valid tracking ID"), "tracking-invalid", Data, Success, true, KindRejected, FieldTracking},
		{"validation: pending", refused("Failed validation because order 302-1234567-1234567 is pending"), "order-pending", Retry, Success, true, KindTransient, FieldOrder},
		{"validation: Ship+", refused("Failed validation because order 302-1234567-1234567 is a Ship+ order and needs no confirmation"), "ship-plus", Skip, Success, true, "", ""},
		{"validation: by Amazon", refused("Failed validation because order 302-1234567-1234567 is fulfilled by Amazon"), "fulfilled-by-amazon", Skip, Success, true, "", ""},
		{"validation of the order", refused("Failed validation because order is not eligible"), "order-failed-validation", Order, Success, true, KindRejected, FieldOrder},
		{"Ship+", refused("Ship+ orders do not support shipment confirmation."), "ship-plus", Skip, Success, true, "", ""},
		{"Ship+ programme", refused("Order is FBM_SHIP_PLUS"), "ship-plus-program", Skip, Success, true, "", ""},
		{"by Amazon", refused("The order is Fulfilled by Amazon."), "fulfilled-by-amazon", Skip, Success, true, "", ""},
		{"FBA", refused("Cannot confirm an FBA order."), "fulfilled-by-amazon-fba", Skip, Success, true, "", ""},
		{"pending", refused("The order is in Pending status."), "order-pending", Retry, Success, true, KindTransient, FieldOrder},
		{"sandbox", refused("Could not match input arguments"), "sandbox-no-match", Data, Success, true, KindRejected, ""},
		{"sandbox pair", Answer{Confirm, 400, "Invalid Input", "Invalid Input", ""}, "sandbox-invalid-input", Data, Success, true, KindRejected, ""},
		{"refusal cut off", Answer{Confirm, 400, CodeUnreadable, "", ""}, "unreadable-answer", Ambiguous, Failure, true, KindTransient, ""},
		{"unknown refusal", refused("The moon is in the wrong house."), "unknown-rejection", Unknown, Success, true, KindRejected, ""},
		{"unknown status", Answer{Confirm, 413, "", "", ""}, "unknown-rejection", Unknown, Success, true, KindRejected, ""},
		{"absurd status", Answer{Confirm, 999, "", "", ""}, "unknown-answer", Ambiguous, Failure, true, KindTransient, ""},

		{"token", Answer{Token, 200, "", "", ""}, "token-issued", OK, Success, false, "", ""},
		{"token unreadable", Answer{Token, 200, CodeUnreadable, "", ""}, "token-unreadable", Retry, Failure, false, KindTransient, ""},
		{"authorisation revoked", Answer{Token, 400, "invalid_grant", "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.", ""}, "authorisation-revoked", Account, Success, false, KindTransient, ""},
		{"secret expired", Answer{Token, 401, "invalid_client", "Client authentication failed", ""}, "secret-refused", Account, Success, false, KindTransient, ""},
		{"application refused", Answer{Token, 400, "unauthorized_client", "", ""}, "application-refused", Account, Success, false, KindTransient, ""},
		{"bad token request", Answer{Token, 400, "invalid_request", "The request is missing a required parameter : refresh_token", ""}, "token-refused", Account, Success, false, KindTransient, ""},
		{"token throttled", Answer{Token, 429, "", "", ""}, "token-throttled", Throttled, Excluded, false, KindThrottled, ""},
		{"token service down", Answer{Token, 503, "", "", ""}, "token-unavailable", Retry, Failure, false, KindTransient, ""},
		{"token service redirects", Answer{Token, 301, "", "", ""}, "token-redirected", Account, Failure, false, KindTransient, ""},
		{"token service silent", Answer{Token, 0, CodeNoAnswer, "", ""}, "token-unanswered", Retry, Failure, false, KindTransient, ""},
		{"credentials", Answer{Token, 0, CodeCredentials, "", ""}, "credentials-missing", Account, Excluded, false, KindTransient, ""},
	}
	provoked := map[string]bool{}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := Classify(row.answer)
			provoked[got.ID] = true
			if got.ID != row.id || got.Class != row.class || got.Breaker != row.effect || got.BurnsAttempt != row.burns || got.Kind != row.kind || got.Field != row.field {
				t.Errorf("got %s %s %s burns=%v kind=%q field=%q", got.ID, got.Class, got.Breaker, got.BurnsAttempt, got.Kind, got.Field)
			}
		})
	}
	for _, rule := range All() {
		if !provoked[rule.ID] {
			t.Errorf("no row provokes rule %s", rule.ID)
		}
	}
}

func refused(message string) Answer { return Answer{Confirm, 400, "InvalidInput", message, ""} }

func TestRulesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		if seen[r.ID] {
			t.Errorf("rule id %s occurs twice", r.ID)
		}
		seen[r.ID] = true
		if r.Class != OK && (r.Remedy.DE == "" || r.Remedy.EN == "" || r.Remedy.DE == r.Remedy.EN) {
			t.Errorf("rule %s lacks a remedy in both languages", r.ID)
		}
		if (r.Class == Ambiguous) && !r.BurnsAttempt {
			t.Errorf("rule %s leaves a doubt but claims that nothing was processed", r.ID)
		}
		if got, ok := Lookup(r.ID); !ok || got.ID != r.ID {
			t.Errorf("Lookup(%s) = %v, %v", r.ID, got.ID, ok)
		}
	}
	if _, ok := Lookup("no such rule"); ok {
		t.Error("Lookup found a rule that does not exist")
	}
}

func TestRulesCannotBeChangedFromOutside(t *testing.T) {
	const text = "ErrorCode: InvalidCarrier"
	rule := Classify(refused(text))
	rule.Fragments[0] = "nothing"
	All()[0].ID = "changed"
	if got := Classify(refused(text)); got.ID != "carrier-unsupported" {
		t.Errorf("classified as %s after a caller changed its copy", got.ID)
	}
}

func TestFingerprintGroupsEqualFailures(t *testing.T) {
	same := []string{
		"Unable to find package to update for order (250-6220485-3709425), packageIndex=1",
		"Unable to find package  to update for order (302-1234567-1234567), packageIndex=12",
	}
	if a, b := Fingerprint("r", same[0]), Fingerprint("r", same[1]); a != b {
		t.Errorf("%q and %q differ: %s, %s", same[0], same[1], a, b)
	}
	tracking := "The tracking ID [%] for [DHL] does not match"
	if a, b := Fingerprint("r", strings.Replace(tracking, "%", "1Z999AA10123456784", 1)), Fingerprint("r", strings.Replace(tracking, "%", "00340434161094021501", 1)); a != b {
		t.Errorf("tracking numbers tell failures apart: %s, %s", a, b)
	}
	if Fingerprint("r", "Carrier 4PX is not supported") == Fingerprint("r", "Carrier DHL is not supported") {
		t.Error("different carriers are grouped")
	}
	if Fingerprint("a", "x") == Fingerprint("b", "x") {
		t.Error("different rules are grouped")
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("confirm", 400, "InvalidInput", "already fulfilled", "")
	f.Add("token", 401, "invalid_client", "", "")
	f.Fuzz(func(t *testing.T, op string, status int, code, message, details string) {
		a := Answer{Operation(op), status, code, message, details}
		r := Classify(a)
		if r.ID == "" || r.Class == "" || r.Breaker == "" {
			t.Fatalf("%+v has no verdict", a)
		}
		if r.Class == OK && status != 200 && status != 204 {
			t.Fatalf("%+v counts as success", a)
		}
		if print := Fingerprint(r.ID, message); !strings.HasPrefix(print, r.ID+"-") || len(print) != len(r.ID)+13 {
			t.Fatalf("fingerprint %q of %+v", print, a)
		}
	})
}
