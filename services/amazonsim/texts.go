package amazonsim

import "strings"

// Text names a refusal of confirmShipment whose words a scenario may replace. In the words {order},
// {fields}, {carrier} and {tracking} stand for what was sent.
type Text string

// The refusals. Those whose words Amazon has published or production has shown are given with them; the
// words for pending, FBA, Ship+ and unfulfillable orders are assumed, as nobody has published them.
const (
	TextInvalid           Text = "invalid"           // the generic one
	TextInvalidType       Text = "invalidType"       // wrong JSON types, fields in brackets
	TextReference         Text = "packageReference"  // packageReferenceId missing or not a positive number
	TextItem              Text = "orderItem"         // an item this order does not have
	TextTracking          Text = "trackingNumber"    // blank
	TextTrackingForm      Text = "trackingForm"      // not the carrier's form
	TextDuplicateTracking Text = "duplicateTracking" // on another order already
	TextBlockedTracking   Text = "blockedTracking"
	TextCarrier           Text = "invalidCarrier"
	TextCarrierName       Text = "carrierName" // carrierCode Other without a name
	TextAlreadyFulfilled  Text = "alreadyFulfilled"
	TextOverfulfilment    Text = "overfulfilment"
	TextEditCap           Text = "editCap"
	TextCancelled         Text = "cancelled"
	TextPending           Text = "pending"           // assumed
	TextFulfilledByAmazon Text = "fulfilledByAmazon" // assumed
	TextShipPlus          Text = "shipPlus"          // assumed
	TextUnfulfillable     Text = "unfulfillable"     // assumed
	TextNotFound          Text = "notFound"          // 404
	TextUserAgent         Text = "userAgent"         // assumed
)

func texts() map[Text]string {
	return map[Text]string{
		TextInvalid:     "The input you have submitted is not valid. Please check your input and try again.",
		TextInvalidType: "The input you have submitted is not valid. Please check the fields with invalid type [{fields}].",
		TextReference:   "PackageReferenceId: is invalid, must be a positive numeric value.",
		// The two blanks are Amazon's: the value is missing from its text.
		TextItem:     "OrderItemId  is invalid, please obtain the value through the getOrderItems API or Manage Orders page",
		TextTracking: "Enter a valid tracking ID",
		TextTrackingForm: "The tracking ID {tracking} for {carrier} does not match the expected format for the carrier. " +
			"Please verify that you have entered the tracking ID and carrier name correctly.",
		TextDuplicateTracking: "ErrorCode: DuplicateTrackingId Description: Tracking ID {tracking} is already used for another order.",
		TextBlockedTracking:   "ErrorCode: BlockedTrackingId Description: Tracking ID {tracking} cannot be used.",
		TextCarrier:           "ErrorCode: InvalidCarrier Description: Selected carrier is not supported",
		TextCarrierName:       "ErrorCode: CarrierNameCorrection Description: Enter the carrier name",
		TextAlreadyFulfilled: "Failed to create package due to not finding a matching package or order already fulfilled. " +
			"ErrorMessage(errorCode=GeneralError, errorDescription=Unable to find package to update for order ({order}), " +
			"errorMetric=PackageToUpdateNotFound, packageIndex=null)",
		TextOverfulfilment: "Failed to create/update package due to overfulfillment",
		TextEditCap: "ErrorCode: InvalidPackageVersion Description: The package has reached the " +
			"maximum number of allowed updates",
		TextCancelled:         "ErrorCode: NonexistentOrderItem Description: Failed to find order item list by order ID: {order}",
		TextPending:           "Failed validation because order {order} is pending",
		TextFulfilledByAmazon: "Failed validation because order {order} is fulfilled by Amazon",
		TextShipPlus:          "Failed validation because order {order} is a Ship+ order and needs no confirmation",
		TextUnfulfillable:     "Failed validation because order {order} is unfulfillable",
		TextNotFound:          "The specified resource does not exist.",
		TextUserAgent:         "The User-Agent header is missing or longer than 500 characters.",
	}
}

// wordings gives the words of a refusal, with a scenario's own ones first.
type wordings map[Text]string

func newWordings(own map[Text]string) wordings {
	w := wordings(texts())
	for key, words := range own {
		w[key] = words
	}
	return w
}

// sent is what the words of a refusal may quote.
type sent struct{ order, fields, carrier, tracking string }

func (w wordings) say(t Text, s sent) string {
	words := w[t]
	if !strings.Contains(words, "{") {
		return words
	}
	return strings.NewReplacer("{order}", s.order, "{fields}", s.fields, "{carrier}", s.carrier,
		"{tracking}", s.tracking).Replace(words)
}
