package amazonsim

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

// Amazon's bounds of a search.
const (
	maxPageSize     = 100
	maxMarketplaces = 50
	tokenLife       = 24 * time.Hour  // of a pagination token
	beforeLag       = 2 * time.Minute // createdBefore and lastUpdatedBefore lie at least this far back
	maxSearches     = 1000            // searches whose further pages are kept; the oldest go first
)

// search is what searchOrders was asked, read and checked.
type search struct {
	created      bool // the window is of creation, else of the last update
	after        time.Time
	before       time.Time
	statuses     []string
	marketplaces []string
	fulfilledBy  []string
	size         int
	included     []string
	token        string
}

// listing is a search that has more pages: the orders it found, of which those that still match are shown.
type listing struct {
	n       uint64 // from 1, 0 while it is not kept
	seller  string
	asked   string // the search without its token: another one must not go on with it
	expires time.Time
	ids     []string
	upTo    time.Time
}

// searchOrders shows a page of the seller's orders as they were one read delay ago, by their last update.
func searchOrders(w *world, req *request, now time.Time) answer {
	s, ok := readSearch(req.query, now)
	if !ok {
		return w.badSearch(req)
	}
	if s.abroad(w.set.Region) {
		return denied(detailsRegion)
	}
	l, from := listing{}, 0
	if s.token == "" {
		l = w.find(s, req, now)
	} else if l, from, ok = w.resume(s, req, now); !ok {
		return w.badSearch(req)
	}
	body := wire.SearchOrdersResponse{Orders: []wire.Order{}}
	next := from
	var shown []string
	for ; next < len(l.ids) && len(body.Orders) < s.size; next++ {
		o := w.orders[l.ids[next]]
		if o == nil {
			continue
		}
		w.settle(o, now)
		if v := o.visible(now); s.matches(v) {
			body.Orders = append(body.Orders, shownOrder(v, s.included))
			shown = append(shown, v.ID)
		}
	}
	if next < len(l.ids) {
		body.Pagination = &wire.Pagination{NextToken: w.keep(l, next)}
	}
	if upTo := whole(l.upTo); s.created {
		body.CreatedBefore = &upTo
	} else {
		body.LastUpdatedBefore = &upTo
	}
	return answer{status: http.StatusOK, body: body, listed: shown}
}

func (w *world) badSearch(req *request) answer {
	return refusal(http.StatusBadRequest, "InvalidInput", w.words.say(TextInvalid, sent{order: req.orderID}), "")
}

// readSearch checks the parameters as Amazon's model describes them.
func readSearch(q map[string][]string, now time.Time) (search, bool) {
	s := search{size: maxPageSize, token: first(q["paginationToken"]), statuses: list(q["fulfillmentStatuses"]), marketplaces: list(q["marketplaceIds"]), fulfilledBy: list(q["fulfilledBy"])}
	var ok bool
	if s.included, ok = includedData(q["includedData"]); !ok || len(s.marketplaces) > maxMarketplaces {
		return s, false
	}
	if text := first(q["maxResultsPerPage"]); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPageSize {
			return s, false
		}
		s.size = n
	}
	for _, name := range s.statuses {
		switch Status(name) {
		case PendingAvailability, Pending, Unshipped, PartiallyShipped, Shipped, Cancelled, Unfulfillable:
		default:
			return s, false
		}
	}
	for _, name := range s.fulfilledBy {
		if name != "MERCHANT" && name != "AMAZON" {
			return s, false
		}
	}
	return s, s.window(q, now)
}

// window reads the span of time: exactly one of createdAfter and lastUpdatedAfter, and at most the end that belongs to it.
func (s *search) window(q map[string][]string, now time.Time) bool {
	created, updated := first(q["createdAfter"]), first(q["lastUpdatedAfter"])
	if s.created = created != ""; s.created == (updated != "") {
		return false
	}
	after, before, other := updated, first(q["lastUpdatedBefore"]), first(q["createdBefore"])
	if s.created {
		after, before, other = created, other, before
	}
	var err error
	if s.after, err = time.Parse(time.RFC3339, after); err != nil || other != "" {
		return false
	}
	if before == "" {
		return true
	}
	s.before, err = time.Parse(time.RFC3339, before)
	return err == nil && !s.before.Before(s.after) && !s.before.After(now.Add(-beforeLag))
}

// abroad reports whether a marketplace is served by the endpoint of another region. One that nobody knows merely has no orders.
func (s *search) abroad(region string) bool {
	return slices.ContainsFunc(s.marketplaces, func(id string) bool { r := regionOf(id); return r != "" && r != region })
}

func (s *search) matches(o Order) bool {
	at := o.UpdatedAt
	if s.created {
		at = o.CreatedAt
	}
	return !at.Before(s.after) && (s.before.IsZero() || !at.After(s.before)) &&
		(len(s.statuses) == 0 || slices.Contains(s.statuses, string(o.Status))) &&
		(len(s.marketplaces) == 0 || slices.Contains(s.marketplaces, o.MarketplaceID)) &&
		(len(s.fulfilledBy) == 0 || slices.Contains(s.fulfilledBy, o.FulfilledBy))
}

// find lists all orders that match, the longest unchanged first.
func (w *world) find(s search, req *request, now time.Time) listing {
	type hit struct {
		id string
		at time.Time
	}
	var hits []hit
	for _, id := range w.sequence {
		o := w.orders[id]
		if o.Seller != req.claims.Seller {
			continue
		}
		w.settle(o, now)
		if v := o.visible(now); s.matches(v) {
			hits = append(hits, hit{id, v.UpdatedAt})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	l := listing{seller: req.claims.Seller, asked: asked(req.query), expires: now.Add(tokenLife), upTo: s.before, ids: make([]string, len(hits))}
	for i, h := range hits {
		l.ids[i] = h.id
	}
	if l.upTo.IsZero() {
		l.upTo = now.Add(-time.Duration(w.set.ReadDelay))
	}
	return l
}

// keep remembers a listing and returns the token of the page that begins at from.
func (w *world) keep(l listing, from int) string {
	if l.n == 0 {
		w.listed++
		l.n = w.listed
		if w.listings = append(w.listings, l); len(w.listings) > maxSearches {
			w.listings = w.listings[1:]
		}
	}
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint(binary.AppendUvarint(nil, l.n), uint64(from)))
}

// resume finds the listing a token stands for. Another seller's, another search's and an old one are unknown.
func (w *world) resume(s search, req *request, now time.Time) (listing, int, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s.token)
	n, size := binary.Uvarint(raw)
	i := slices.IndexFunc(w.listings, func(l listing) bool { return l.n == n })
	if err != nil || size <= 0 || i < 0 {
		return listing{}, 0, false
	}
	l := w.listings[i]
	from, rest := binary.Uvarint(raw[size:])
	ok := rest > 0 && from < uint64(len(l.ids)) && l.seller == req.claims.Seller && l.asked == asked(req.query) && now.Before(l.expires)
	return l, int(from), ok
}

// asked is a search as it was written, without its token.
func asked(q map[string][]string) string {
	var parts []string
	for name, values := range q {
		if name != "paginationToken" {
			parts = append(parts, name+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// list takes repeated and comma-separated values.
func list(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, strings.Split(v, ",")...)
	}
	return all
}
