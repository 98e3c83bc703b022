// Package wire holds the bodies that cross the simulator's HTTP door, written from Amazon's published
// OpenAPI models (ordersV0 and orders_2026-01-01) and its Login with Amazon guide. It reads bodies as
// Amazon does and names what is wrong with them, but does not choose the words of a refusal and knows no
// orders. It holds no field for buyer data: the simulator has none to give.
package wire

import "time"

// ErrorList is the body of every refusal of the Selling Partner API.
type ErrorList struct {
	Errors []Error `json:"errors"`
}

// Error is one refusal. Details is sent even when it is empty, as Amazon does.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
}

// TokenGrant is the body of a granted access token.
type TokenGrant struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// TokenRefusal is the body of a refused access token.
type TokenRefusal struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	RequestID        string `json:"request_id,omitempty"`
}

// GetOrderResponse is the answer of getOrder 2026-01-01: an Order, or an empty object for an order that
// does not exist, which the Orders API was seen to give.
type GetOrderResponse struct {
	Order any `json:"order"`
}

// SearchOrdersResponse is the answer of searchOrders 2026-01-01. Of the two ends that a window may have, the one that was
// searched by is there.
type SearchOrdersResponse struct {
	Orders            []Order     `json:"orders"`
	Pagination        *Pagination `json:"pagination,omitempty"` // absent on the last page
	LastUpdatedBefore *time.Time  `json:"lastUpdatedBefore,omitempty"`
	CreatedBefore     *time.Time  `json:"createdBefore,omitempty"`
}

// Pagination leads to the next page.
type Pagination struct {
	NextToken string `json:"nextToken"`
}

// OrderAlias is another name of an order, such as the seller's own number.
type OrderAlias struct {
	AliasID   string `json:"aliasId"`
	AliasType string `json:"aliasType"`
}

// Order is an order as getOrder and searchOrders show it, without buyer, recipient, proceeds, tax and payment.
type Order struct {
	OrderID         string       `json:"orderId"`
	OrderAliases    []OrderAlias `json:"orderAliases,omitempty"`
	CreatedTime     time.Time    `json:"createdTime"`
	LastUpdatedTime time.Time    `json:"lastUpdatedTime"`
	Programs        []string     `json:"programs,omitempty"`
	SalesChannel    SalesChannel `json:"salesChannel"`
	Fulfillment     *Fulfillment `json:"fulfillment,omitempty"`
	OrderItems      []OrderItem  `json:"orderItems"`
	Packages        []Package    `json:"packages,omitempty"`
}

// SalesChannel is where the order was placed.
type SalesChannel struct {
	ChannelName   string `json:"channelName"`
	MarketplaceID string `json:"marketplaceId,omitempty"`
}

// Fulfillment is how far the order is and when it is due.
type Fulfillment struct {
	FulfillmentStatus       string  `json:"fulfillmentStatus"`
	FulfilledBy             string  `json:"fulfilledBy,omitempty"`
	FulfillmentServiceLevel string  `json:"fulfillmentServiceLevel,omitempty"`
	ShipByWindow            *Window `json:"shipByWindow,omitempty"`
}

// Window is a span of time, both ends included.
type Window struct {
	EarliestDateTime *time.Time `json:"earliestDateTime,omitempty"`
	LatestDateTime   *time.Time `json:"latestDateTime,omitempty"`
}

// OrderItem is a line of the order.
type OrderItem struct {
	OrderItemID     string            `json:"orderItemId"`
	QuantityOrdered int               `json:"quantityOrdered"`
	Programs        []string          `json:"programs,omitempty"`
	Product         Product           `json:"product"`
	Cancellation    *ItemCancellation `json:"cancellation,omitempty"`
	Fulfillment     *ItemFulfillment  `json:"fulfillment,omitempty"`
}

// Product is what was sold.
type Product struct {
	ASIN      string `json:"asin,omitempty"`
	SellerSKU string `json:"sellerSku,omitempty"`
}

// ItemFulfillment counts units.
type ItemFulfillment struct {
	QuantityFulfilled   int `json:"quantityFulfilled"`
	QuantityUnfulfilled int `json:"quantityUnfulfilled"`
}

// ItemCancellation says that a line was cancelled, and by whom.
type ItemCancellation struct {
	CancellationExecution CancellationExecution `json:"cancellationExecution"`
}

// CancellationExecution names who cancelled: BUYER, MERCHANT or AMAZON.
type CancellationExecution struct {
	CancelledBy string `json:"cancelledBy"`
}

// Package is one package of an order that the merchant fulfils.
type Package struct {
	PackageReferenceID string        `json:"packageReferenceId"`
	CreatedTime        time.Time     `json:"createdTime"`
	PackageStatus      PackageStatus `json:"packageStatus"`
	Carrier            string        `json:"carrier,omitempty"`
	ShipTime           *time.Time    `json:"shipTime,omitempty"`
	ShippingService    string        `json:"shippingService,omitempty"`
	TrackingNumber     string        `json:"trackingNumber,omitempty"`
	PackageItems       []PackageItem `json:"packageItems"`
}

// PackageStatus is where the package is.
type PackageStatus struct {
	Status string `json:"status"`
}

// PackageItem is how many units of a line the package holds.
type PackageItem struct {
	OrderItemID       string   `json:"orderItemId"`
	Quantity          int      `json:"quantity"`
	TransparencyCodes []string `json:"transparencyCodes,omitempty"`
}
