package outcome

// catalogue is joined in the order of precedence: what the transport says, the token endpoint, the health of the
// connection, the texts of confirmShipment, and last what nothing else has matched.
var catalogue = join(unanswered, token, connection, confirmation, leftover)

func join(parts ...[]Rule) []Rule {
	var all []Rule
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

var (
	waits = Text{
		DE: "Vorübergehende Störung. Die Übermittlung wird von selbst wiederholt, es ist nichts zu tun.",
		EN: "Temporary problem. Sending is repeated by itself, there is nothing to do.",
	}
	asksBack = Text{
		DE: "Unklar, ob Amazon die Meldung angenommen hat. Der Auftrag wird bei Amazon nachgefragt, bevor erneut übermittelt wird.",
		EN: "It is unclear whether Amazon took the message. The order is checked with Amazon before anything is sent again.",
	}
	checkAccess = Text{
		DE: "Amazon verweigert den Zugriff. Kein Auftrag ist schuld. Vergeht das nicht von selbst, Berechtigung und Rollen der Anwendung im Seller Central prüfen.",
		EN: "Amazon denies access. No order is to blame. If it does not pass by itself, check the application's authorisation and roles in Seller Central.",
	}
)

// unanswered are the outcomes without an HTTP status. Only no-answer leaves a doubt that is Amazon's or the network's.
var unanswered = []Rule{
	{ID: "not-sent", Status: 0, Code: CodeNotSent, Class: Retry, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Amazon war nicht erreichbar, es wurde nichts gesendet. Die Übermittlung wird von selbst wiederholt.",
		EN: "Amazon could not be reached, nothing was sent. Sending is repeated by itself."}},
	{ID: "held", Status: 0, Code: CodeHeld, Class: Retry, Breaker: Excluded, Kind: KindTransient, Remedy: Text{
		DE: "Nicht gesendet, weil Amazon zurzeit gestört ist. Die Übermittlung läuft nach der nächsten Prüfung weiter.",
		EN: "Not sent because Amazon is disturbed at the moment. Sending goes on after the next test."}},
	{ID: "withdrawn", Status: 0, Code: CodeWithdrawn, Class: Retry, Breaker: Excluded, Kind: KindTransient, Remedy: Text{
		DE: "Nicht gesendet, weil der Lauf beendet wurde. Der nächste Lauf übermittelt den Auftrag.",
		EN: "Not sent because the run ended. The next run sends the order."}},
	{ID: "stopped", Status: 0, Code: CodeStopped, Class: Ambiguous, Breaker: Excluded, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
	{ID: "credentials-missing", Operation: Token, Status: 0, Code: CodeCredentials, Class: Account, Breaker: Excluded, Kind: KindTransient, Remedy: Text{
		DE: "Die Zugangsdaten der Verbindung fehlen oder sind unvollständig. Client-ID, Client-Secret und Refresh-Token hinterlegen.",
		EN: "The connection's credentials are missing or incomplete. Supply client id, client secret and refresh token."}},
	{ID: "token-unanswered", Operation: Token, Status: 0, Class: Retry, Breaker: Failure, Kind: KindTransient, Remedy: waits},
	{ID: "no-answer", Status: 0, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
}

// token are the answers of Login with Amazon. None of them is the fault of an order, so none burns an attempt.
var token = []Rule{
	{ID: "token-unreadable", Operation: Token, Status: AnyStatus, Code: CodeUnreadable, Class: Retry, Breaker: Failure, Kind: KindTransient, Remedy: waits},
	{ID: "token-issued", Operation: Token, Status: 200, Class: OK, Breaker: Success},
	{ID: "authorisation-revoked", Operation: Token, Status: 4, Code: "invalid_grant", Class: Account, Breaker: Success, Kind: KindTransient, Remedy: Text{
		DE: "Der Händler hat die Berechtigung widerrufen oder sie ist abgelaufen. Die Anwendung im Seller Central neu autorisieren; alle Aufträge bleiben eingereiht.",
		EN: "The seller has revoked the authorisation or it has expired. Authorise the application again in Seller Central; all orders stay queued."}},
	{ID: "secret-refused", Operation: Token, Status: 4, Code: "invalid_client", Class: Account, Breaker: Success, Kind: KindTransient, Remedy: Text{
		DE: "Client-ID oder Client-Secret ist falsch oder abgelaufen (Amazon verlangt alle 180 Tage ein neues). Ein neues Secret anlegen und hinterlegen; alle Konten dieser Anwendung sind betroffen.",
		EN: "Client id or client secret is wrong or has expired (Amazon wants a new one every 180 days). Create a new secret and supply it; all accounts of this application are affected."}},
	{ID: "application-refused", Operation: Token, Status: 4, Code: "unauthorized_client", Class: Account, Breaker: Success, Kind: KindTransient, Remedy: checkAccess},
	{ID: "token-throttled", Operation: Token, Status: 429, Class: Throttled, Breaker: Excluded, Kind: KindThrottled, Remedy: waits},
	{ID: "token-unavailable", Operation: Token, Status: 5, Class: Retry, Breaker: Failure, Kind: KindTransient, Remedy: waits},
	{ID: "token-redirected", Operation: Token, Status: 3, Class: Account, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Die Adresse des Token-Dienstes leitet um. Die Adresse in den Einstellungen der Verbindung und einen Proxy prüfen.",
		EN: "The address of the token service redirects. Check the address in the connection's settings and any proxy."}},
	{ID: "token-refused", Operation: Token, Status: AnyStatus, Class: Account, Breaker: Success, Kind: KindTransient, Remedy: Text{
		DE: "Amazon lehnt die Anmeldung der Anwendung ab. Client-ID, Client-Secret und Refresh-Token der Verbindung prüfen.",
		EN: "Amazon refuses the application's sign-in. Check the connection's client id, client secret and refresh token."}},
}

// connection are the answers that concern the whole connection or Amazon's health, whatever the order.
// An expired token is answered with 403, not 401.
var connection = []Rule{
	{ID: "throttled", Status: 429, Class: Throttled, Breaker: Excluded, Kind: KindThrottled, Remedy: Text{
		DE: "Amazon drosselt. Die Übermittlung läuft von selbst langsamer weiter; nicht von Hand nachstarten.",
		EN: "Amazon throttles. Sending continues more slowly by itself; do not start it again by hand."}},
	{ID: "unavailable", Status: 503, Class: Retry, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: Text{
		DE: "Amazon ist überlastet oder in Wartung. Die Übermittlung wird von selbst wiederholt.",
		EN: "Amazon is overloaded or under maintenance. Sending is repeated by itself."}},
	{ID: "internal-failure", Status: 500, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
	{ID: "server-error", Status: 5, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
	{ID: "token-expired", Status: 403, Fragments: []string{"access token", "expired"}, Class: Auth, Breaker: Excluded, Kind: KindTransient, Remedy: Text{
		DE: "Das Zugriffstoken war abgelaufen. Es wird erneuert und die Übermittlung wiederholt, es ist nichts zu tun.",
		EN: "The access token had expired. It is renewed and sending is repeated, there is nothing to do."}},
	{ID: "token-missing", Status: 403, Fragments: []string{"access token is missing"}, Class: Auth, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Die Anfrage kam ohne Zugriffstoken bei Amazon an. Prüfen, ob ein Proxy Kopfzeilen entfernt.",
		EN: "The request reached Amazon without an access token. Check whether a proxy removes headers."}},
	{ID: "token-invalid", Status: 403, Fragments: []string{"access token", "revoked, malformed or invalid"}, Class: Auth, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Amazon erkennt das Zugriffstoken nicht an. Es wird einmal erneuert; hilft das nicht, die Anwendung im Seller Central neu autorisieren.",
		EN: "Amazon does not accept the access token. It is renewed once; if that does not help, authorise the application again in Seller Central."}},
	{ID: "wrong-region", Status: 403, Fragments: []string{"marketplaces", "not valid for region"}, Class: Account, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Der Marktplatz gehört nicht zur Region dieser Verbindung. Region oder Adresse der Verbindung in den Einstellungen berichtigen.",
		EN: "The marketplace does not belong to this connection's region. Correct the connection's region or address in the settings."}},
	{ID: "access-denied", Status: 403, Class: Auth, Breaker: Failure, Kind: KindTransient, Remedy: checkAccess},
	{ID: "unauthorised", Status: 401, Class: Auth, Breaker: Failure, Kind: KindTransient, Remedy: checkAccess},
	{ID: "redirected", Status: 3, Class: Account, Breaker: Failure, Kind: KindTransient, Remedy: Text{
		DE: "Die Adresse von Amazon leitet um, was sie nie tut. Die Adresse in den Einstellungen der Verbindung und einen Proxy prüfen.",
		EN: "Amazon's address redirects, which it never does. Check the address in the connection's settings and any proxy."}},
	{ID: "unreadable-order", Operation: Read, Status: AnyStatus, Code: CodeUnreadable, Class: Retry, Breaker: Failure, Kind: KindTransient, Remedy: waits},
	{ID: "read", Operation: Read, Status: 200, Class: OK, Breaker: Success},
	{ID: "confirmed", Operation: Confirm, Status: 204, Class: OK, Breaker: Success, BurnsAttempt: true},
	{ID: "unreadable-answer", Status: AnyStatus, Code: CodeUnreadable, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
	{ID: "unexpected-success", Status: 2, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
}

// leftover catches every answer the other rules have let through.
var leftover = []Rule{
	{ID: "unknown-rejection", Status: 4, Class: Unknown, Breaker: Success, BurnsAttempt: true, Kind: KindRejected, Remedy: Text{
		DE: "Amazon hat die Meldung mit einem unbekannten Text abgelehnt. Den Text lesen, die Daten des Auftrags im Seller Central vergleichen, berichtigen und erneut übermitteln.",
		EN: "Amazon refused the message with an unknown text. Read the text, compare the order's data in Seller Central, correct them and send again."}},
	{ID: "unknown-answer", Status: AnyStatus, Class: Ambiguous, Breaker: Failure, BurnsAttempt: true, Kind: KindTransient, Remedy: asksBack},
}
