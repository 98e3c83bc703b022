package outcome

var alreadyKnown = Text{
	DE: "Amazon kennt diesen Versand schon. Der Auftrag wird bei Amazon nachgesehen: Ist er versendet, gilt er als übermittelt; sonst Positionen, Mengen und Paketnummer prüfen.",
	EN: "Amazon already knows this shipment. The order is looked up at Amazon: if it is shipped, it counts as sent; if not, check items, quantities and package number.",
}

// confirmation are the refusals of confirmShipment. Amazon answers nearly all of them with 400 InvalidInput, so only the
// text tells them apart; where Amazon's text is not public, the fragments are the words its documentation uses.
// Exact texts come first, the generic one last.
var confirmation = []Rule{
	data("order-unknown", 404, FieldOrder, Text{
		DE: "Amazon kennt diesen Auftrag nicht. Auftragsnummer und Konto prüfen: Vielleicht gehört er zu einem anderen Händlerkonto.",
		EN: "Amazon does not know this order. Check order number and account: it may belong to another seller account."}),

	already("package-not-found", FieldOrder, alreadyKnown, "PackageToUpdateNotFound"),
	already("no-matching-package", FieldOrder, alreadyKnown, "not finding a matching package"),
	already("already-fulfilled", FieldOrder, alreadyKnown, "already fulfilled"),
	already("already-shipped", FieldOrder, alreadyKnown, "already shipped"),
	already("package-version", FieldPackageReference, editLimit, "InvalidPackageVersion"),
	already("edit-limit", FieldPackageReference, editLimit, "maximum number of allowed updates"),
	already("overfulfilment", FieldItems, Text{
		DE: "Es wurden mehr Stück gemeldet, als bei Amazon noch offen sind. Ist der Auftrag dort schon versendet, gilt er als übermittelt; sonst die Mengen berichtigen (ein Teil ist vielleicht storniert).",
		EN: "More units were reported than are open at Amazon. If the order is already shipped there, it counts as sent; if not, correct the quantities (part of it may be cancelled)."},
		"overfulfillment"),

	{ID: "item-nonexistent", Operation: Confirm, Status: 400, Fragments: []string{"NonexistentOrderItem"}, Class: Order, Breaker: Success,
		BurnsAttempt: true, Kind: KindRejected, Field: FieldItems, Remedy: Text{
			DE: "Der Auftrag oder eine Position ist bei Amazon storniert. Im Seller Central nachsehen und das Paket, wenn möglich, aufhalten.",
			EN: "The order or an item is cancelled at Amazon. Look it up in Seller Central and stop the parcel if you can."}},

	data("carrier-unsupported", 400, FieldCarrier, Text{
		DE: "Amazon kennt diesen Versanddienstleister nicht. Unter „Versender zuordnen“ einen Code aus Amazons Liste wählen; danach alle betroffenen Aufträge erneut übermitteln.",
		EN: "Amazon does not know this carrier. Choose a code from Amazon's list under “Map carrier”, then send all affected orders again."},
		"InvalidCarrier"),
	data("carrier-name", 400, FieldCarrier, Text{
		DE: "Amazon schreibt den Namen des Versanddienstleisters anders. Die Zuordnung auf Amazons Schreibweise ändern (siehe Amazons Text) und erneut übermitteln.",
		EN: "Amazon spells the carrier's name differently. Change the mapping to Amazon's spelling (see Amazon's text) and send again."},
		"CarrierNameCorrection"),
	data("tracking-duplicate", 400, FieldTracking, Text{
		DE: "Diese Trackingnummer ist bei Amazon schon für einen anderen Auftrag gemeldet. Die richtige Nummer eintragen.",
		EN: "This tracking number has already been reported to Amazon for another order. Enter the right number."},
		"DuplicateTrackingId"),
	data("tracking-blocked", 400, FieldTracking, Text{
		DE: "Amazon sperrt diese Trackingnummer. Die Nummer auf dem Paketschein prüfen und berichtigen.",
		EN: "Amazon blocks this tracking number. Check the number on the label and correct it."},
		"BlockedTrackingId"),
	data("tracking-format", 400, FieldTracking, trackingFormat, "tracking id", "does not match the expected format"),
	data("tracking-invalid", 400, FieldTracking, trackingFormat, "Enter a valid tracking ID"),
	data("item-id-invalid", 400, FieldItems, Text{
		DE: "Eine Positionsnummer gehört nicht zu diesem Auftrag. Die Positionen mit dem Auftrag im Seller Central vergleichen.",
		EN: "An item number does not belong to this order. Compare the items with the order in Seller Central."},
		"OrderItemId", "is invalid"),
	data("package-reference-invalid", 400, FieldPackageReference, packageReference, "PackageReferenceId", "must be a positive numeric value"),
	data("package-reference-type", 400, FieldPackageReference, packageReference, "fields with invalid type", "packageDetail.packageReferenceId"),
	data("ship-date-invalid", 400, FieldShipDate, Text{
		DE: "Amazon lehnt das Versanddatum ab. Datum und Uhrzeit prüfen: nicht in der Zukunft und nicht vor der Bestellung.",
		EN: "Amazon refuses the ship date. Check date and time: not in the future and not before the order was placed."},
		"shipDate"),
	data("field-type", 400, "", Text{
		DE: "Ein Feld der Meldung hat die falsche Form; Amazon nennt es in eckigen Klammern. Das Feld berichtigen oder den Fehler dem Support melden.",
		EN: "A field of the message has the wrong form; Amazon names it in square brackets. Correct the field or report the fault to support."},
		"fields with invalid type"),

	skip("ship-plus", Text{
		DE: "Ship+-Aufträge meldet Amazon selbst als versendet, eine Übermittlung ist nicht erforderlich.",
		EN: "Amazon reports Ship+ orders as shipped by itself, no confirmation is required."}, "Ship+"),
	skip("ship-plus-program", Text{
		DE: "Ship+-Aufträge meldet Amazon selbst als versendet, eine Übermittlung ist nicht erforderlich.",
		EN: "Amazon reports Ship+ orders as shipped by itself, no confirmation is required."}, "FBM_SHIP_PLUS"),
	skip("fulfilled-by-amazon", byAmazon, "fulfilled by Amazon"),
	skip("fulfilled-by-amazon-fba", byAmazon, "FBA order"),
	{ID: "order-pending", Operation: Confirm, Status: 400, Fragments: []string{"order", "pending"}, Class: Retry, Breaker: Success,
		BurnsAttempt: true, Kind: KindTransient, Field: FieldOrder, Remedy: Text{
			DE: "Die Zahlung ist bei Amazon noch nicht bestätigt; solche Aufträge dürfen noch nicht versendet werden. Der nächste Lauf versucht es erneut.",
			EN: "Amazon has not confirmed the payment yet; such orders must not be shipped. The next run tries again."}},
	{ID: "order-failed-validation", Operation: Confirm, Status: 400, Fragments: []string{"Failed validation because order"}, Class: Order, Breaker: Success,
		BurnsAttempt: true, Kind: KindRejected, Field: FieldOrder, Remedy: Text{
			DE: "Amazon nimmt für diesen Auftrag in seinem jetzigen Zustand keine Versandmeldung an. Den Zustand im Seller Central nachsehen.",
			EN: "Amazon accepts no confirmation for this order in its present state. Look up its state in Seller Central."}},

	data("sandbox-no-match", 400, "", sandbox, "Could not match input arguments"),
	{ID: "sandbox-invalid-input", Operation: Confirm, Status: 400, Code: "Invalid Input", Fragments: []string{"Invalid Input"}, Class: Data, Breaker: Success,
		BurnsAttempt: true, Kind: KindRejected, Remedy: sandbox},
	data("input-invalid", 400, "", Text{
		DE: "Amazon lehnt die Meldung ab, ohne das Feld zu nennen. Versender, Trackingnummer, Versanddatum und Positionen prüfen und erneut übermitteln.",
		EN: "Amazon refuses the message without naming the field. Check carrier, tracking number, ship date and items, and send again."},
		"input you have submitted is not valid"),
}

var (
	editLimit = Text{
		DE: "Amazon erlaubt für dieses Paket keine weitere Änderung. Stimmt die Trackingnummer bei Amazon, gilt der Versand als übermittelt; sonst sie im Seller Central von Hand berichtigen.",
		EN: "Amazon allows no further change of this package. If the tracking number at Amazon is right, the shipment counts as sent; if not, correct it by hand in Seller Central.",
	}
	trackingFormat = Text{
		DE: "Die Trackingnummer passt nicht zum Versanddienstleister. Nummer und Versender auf dem Paketschein vergleichen und berichtigen.",
		EN: "The tracking number does not fit the carrier. Compare number and carrier with the label and correct them.",
	}
	packageReference = Text{
		DE: "Die Paketnummer muss eine positive Zahl ohne führende Null sein. Sie im Auftrag berichtigen (für das einzige Paket: 1).",
		EN: "The package number must be a positive number without leading zero. Correct it in the order (for the only package: 1).",
	}
	byAmazon = Text{
		DE: "Amazon versendet diesen Auftrag selbst, eine Übermittlung ist nicht erforderlich.",
		EN: "Amazon ships this order itself, no confirmation is required.",
	}
	sandbox = Text{
		DE: "Die Verbindung zeigt auf Amazons Testumgebung, die nur feste Beispiele kennt. Für echte Aufträge die Adresse der Verbindung ändern.",
		EN: "The connection points to Amazon's sandbox, which knows fixed examples only. Change the connection's address for real orders.",
	}
)

func data(id string, status int, field string, remedy Text, fragments ...string) Rule {
	return Rule{ID: id, Status: status, Fragments: fragments, Class: Data, Breaker: Success, BurnsAttempt: true,
		Kind: KindRejected, Field: field, Remedy: remedy}
}

func already(id, field string, remedy Text, fragments ...string) Rule {
	return Rule{ID: id, Operation: Confirm, Status: 400, Fragments: fragments, Class: Already, Breaker: Success, BurnsAttempt: true,
		Kind: KindRejected, Field: field, Remedy: remedy}
}

func skip(id string, remedy Text, fragments ...string) Rule {
	return Rule{ID: id, Operation: Confirm, Status: 400, Fragments: fragments, Class: Skip, Breaker: Success, BurnsAttempt: true, Remedy: remedy}
}
