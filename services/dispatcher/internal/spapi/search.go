package spapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// PageSize is how many orders Amazon shows on one page at most.
const PageSize = 100

// searched are the data sets asked for; never BUYER or RECIPIENT.
const searched = "FULFILLMENT,PACKAGES"

// Search selects orders that the seller ships himself, in the connection's marketplaces.
type Search struct {
	UpdatedAfter time.Time
	Statuses     []string
	Page         string // Page.Next of the page before, empty for the first; valid for 24 hours, with the same search
}

// Page is a part of what a search finds. Next is empty on the last one.
type Page struct {
	Orders []Order
	Next   string
}

// Search reads one page, on a quota of its own but the same breaker. With an answer of another class than ok nothing is
// known. Errors of waiting, as Ready has them, are in Answer.Err.
// Source: https://developer-docs.amazon.com/sp-api/reference/searchorders
func (c *Client) Search(ctx context.Context, s Search) (Page, Answer) {
	if err := c.admit(ctx, false); err != nil {
		return Page{}, heldBack(err)
	}
	t, err := c.board(ctx, c.search)
	if err != nil {
		return Page{}, heldBack(err)
	}
	req, err := c.request(http.MethodGet, "/orders/2026-01-01/orders?"+c.query(s), t.access, nil)
	if err != nil {
		t.token.Return()
		t.report(outcome.Excluded, "")
		return Page{}, unsent(outcome.Read, outcome.CodeWithdrawn, fmt.Errorf("search orders: %w", err))
	}
	var p Page
	r := c.send(ctx, t, req, outcome.Read, maxPageBody, func(body []byte) (err error) { p, err = decodePage(body); return err })
	if r.Rule.Class != outcome.OK {
		return Page{}, r.Answer
	}
	return p, r.Answer
}

func (c *Client) query(s Search) string {
	q := url.Values{"lastUpdatedAfter": {s.UpdatedAfter.UTC().Format(time.RFC3339)}, "fulfilledBy": {ByMerchant},
		"maxResultsPerPage": {strconv.Itoa(PageSize)}, "includedData": {searched}}
	if len(s.Statuses) > 0 {
		q.Set("fulfillmentStatuses", strings.Join(s.Statuses, ","))
	}
	if len(c.cfg.Marketplaces) > 0 {
		q.Set("marketplaceIds", strings.Join(c.cfg.Marketplaces, ","))
	}
	if s.Page != "" {
		q.Set("paginationToken", s.Page)
	}
	return q.Encode()
}

// decodePage reads the body of a 200. Source: Amazon's model orders_2026-01-01.json, SearchOrdersResponse.
func decodePage(body []byte) (Page, error) {
	var w struct {
		Orders     *[]wireOrder `json:"orders"`
		Pagination struct {
			Next text `json:"nextToken"`
		} `json:"pagination"`
	}
	if !object(body) {
		return Page{}, errors.New("decode page of orders: not a JSON object")
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return Page{}, fmt.Errorf("decode page of orders: %w", err)
	}
	if w.Orders == nil { // without the list nothing is said about what is in it
		return Page{}, errors.New("decode page of orders: there is no list of orders in it")
	}
	p := Page{Next: string(w.Pagination.Next)}
	for i := range *w.Orders {
		if o := (*w.Orders)[i].order(); o.Found {
			p.Orders = append(p.Orders, o)
		}
	}
	return p, nil
}
