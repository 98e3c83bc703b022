package outcome

import "github.com/fertig-project/fertig/shared/shipment"

// RemedyFor says what helps against what a reconciliation found; an empty text where nothing is to be done.
func RemedyFor(f shipment.Finding) Text {
	switch f {
	case shipment.NoEffect:
		return Text{
			DE: "In Seller Central prüfen, ob für den Auftrag automatische Versandeinstellungen gelten, und ihn dort von Hand melden; sonst Versender und Sendungsnummer korrigieren.",
			EN: "Check in Seller Central whether automated shipping settings apply to the order, and report it there by hand; otherwise correct carrier and tracking number."}
	case shipment.StillOpen:
		return Text{
			DE: "Ausgenommene in Seller Central melden und hier „Manuell bei Amazon gemeldet“ wählen, oder wieder aufnehmen. Nicht erforderliche: War es doch ein eigenes Label, bei „Versandlabel“ „eigenes Label“ wählen und speichern.",
			EN: "Excluded ones: report them in Seller Central and choose “Reported at Amazon by hand” here, or include them again. Ones that were not required: if the label was your own after all, choose “own label” as “Shipping label” and save."}
	case shipment.OnItsWay, shipment.CancelledThere:
		return Text{
			DE: "Das Paket aufhalten oder zurückholen: Amazon hat den Auftrag storniert und zahlt ihn nicht.",
			EN: "Stop the parcel or get it back: Amazon has cancelled the order and does not pay for it."}
	}
	return Text{}
}
