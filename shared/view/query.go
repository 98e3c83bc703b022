package view

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Sort is what a list is ordered by; shipments that agree in it are ordered by key.
type Sort string

// The orders of a list. ByShipBy uses Shipment.Deadline: ship-by, or shippedAt where none is known.
const (
	BySince     Sort = "since"
	ByShippedAt Sort = "shippedAt"
	ByShipBy    Sort = "shipBy"
)

var sorts = [...]Sort{BySince, ByShippedAt, ByShipBy}

func (by Sort) score(s shipment.Shipment) int64 {
	switch by {
	case ByShippedAt:
		return s.Data.ShippedAt.UnixMilli()
	case ByShipBy:
		return s.Deadline().UnixMilli()
	}
	return s.Since.UnixMilli()
}

// Filter selects shipments for a list; all that is given must hold. Nil Accounts or States mean all, empty ones none,
// so that a role limited to no account sees nothing.
type Filter struct {
	Accounts      []shipment.AccountID
	States        []shipment.State
	Kind          shipment.Kind
	Flagged       *bool
	Fingerprint   string
	DeferredUntil time.Time // deferred, and so since no later than this
	Search        string    // an order id (or its first 6 characters or more), tracking number or own reference
	Sort          Sort      // default BySince
	Desc          bool
	After         string // Page.Next of the page before, with the same filter
	Limit         int    // 1 to MaxPage, default 100
}

// Page is a part of a list. Next is empty at the end. Total counts all that the filter selects.
type Page struct {
	Items []Item
	Next  string
	Total int
}

// maxSearch bounds how many shipments a search looks at; Total never exceeds it then.
const maxSearch = 1000

// List answers a filter. It fails with a fault.Invalid error that names the field when the filter makes no sense.
func (v *View) List(ctx context.Context, f Filter) (Page, error) {
	switch {
	case f.Sort == "":
		f.Sort = BySince
	case !slices.Contains(sorts[:], f.Sort):
		return Page{}, fault.Field("sort", "%q is not an order: use since, shippedAt or shipBy", string(f.Sort))
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = bounded(f.Limit)
	after, err := parsePos(f.After)
	if err != nil {
		return Page{}, err
	}
	var p Page
	err = v.read(ctx, "list shipments", func(img image) (err error) {
		if f.Search != "" {
			p, err = v.search(ctx, img, f, after)
		} else {
			p, err = v.list(ctx, img, f, after)
		}
		return err
	})
	return p, err
}

// list merges the sets of all cells the filter asks for. Only the shipments of the page are read.
func (v *View) list(ctx context.Context, img image, f Filter, after Pos) (Page, error) {
	var p Page
	cells, err := v.choose(ctx, img, f)
	if err != nil {
		return p, err
	}
	if p.Total, err = v.total(ctx, img, f, cells); err != nil {
		return p, err
	}
	scans := make([]*scan, len(cells))
	for i, c := range cells {
		scans[i] = newScan(img.key(cellSet(cellKey(c), f.Sort)), f.Desc, after)
		if !f.DeferredUntil.IsZero() && f.Sort == BySince {
			scans[i].max = strconv.FormatInt(f.DeferredUntil.UnixMilli(), 10)
		}
	}
	m := newMerge(f.Limit, scans...)
	// Another order than since has no index for DeferredUntil, so a page reads on until it is full, up to a bound.
	for read := 0; len(p.Items) < f.Limit && read < 5*MaxPage; {
		members, err := m.next(ctx, v.client, f.Limit-len(p.Items))
		if err != nil {
			return p, err
		}
		if len(members) == 0 {
			break
		}
		read += len(members)
		items, err := v.load(ctx, img, members, f.matches)
		if err != nil {
			return p, err
		}
		p.Items = append(p.Items, items...)
	}
	pos, err := m.place(ctx, v.client)
	p.Next = pos.text()
	return p, err
}

// choose returns the non-empty cells that together hold what the filter selects.
func (v *View) choose(ctx context.Context, img image, f Filter) ([]Cell, error) {
	key := img.counts()
	if f.Fingerprint != "" {
		key = img.prints()
	}
	all, err := readCells(ctx, v.client, key)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c Cell) bool {
		byKind := c.Kind == f.Kind || f.Fingerprint != "" && f.Kind == ""
		return !byKind || c.Fingerprint != f.Fingerprint || !f.admits(c.Account, c.State)
	}), nil
}

func (v *View) total(ctx context.Context, img image, f Filter, cells []Cell) (int, error) {
	n := 0
	if f.DeferredUntil.IsZero() {
		for _, c := range cells {
			n += c.N
		}
		return n, nil
	}
	pipe := v.client.Pipeline()
	cmds := make([]*redis.IntCmd, len(cells))
	for i, c := range cells {
		cmds[i] = pipe.ZCount(ctx, img.key(cellSet(cellKey(c), BySince)), "-inf", strconv.FormatInt(f.DeferredUntil.UnixMilli(), 10))
	}
	if len(cells) > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, err
		}
	}
	for _, c := range cmds {
		n += int(c.Val())
	}
	return n, nil
}

// search looks the text up as each attribute and filters and sorts the few that it finds.
func (v *View) search(ctx context.Context, img image, f Filter, after Pos) (Page, error) {
	var p Page
	pipe := v.client.Pipeline()
	var cmds []*redis.StringSliceCmd
	ask := func(kind, end string) {
		part, prefix := lookup(kind, f.Search)
		cmds = append(cmds, pipe.ZRangeByLex(ctx, img.key(lookupSet(part)), &redis.ZRangeBy{Min: "[" + prefix + "\x00", Max: "(" + prefix + end, Count: maxSearch}))
	}
	ask(byTracking, "\x01")
	ask(byReference, "\x01")
	if len(strings.TrimSpace(f.Search)) >= orderPrefix {
		part, prefix := lookup(byOrder, f.Search)
		cmds = append(cmds, pipe.ZRangeByLex(ctx, img.key(lookupSet(part)), &redis.ZRangeBy{Min: "[" + prefix, Max: "(" + prefix + "\xff", Count: maxSearch}))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return p, err
	}
	var members []string
	for _, c := range cmds {
		for _, m := range c.Val() {
			if _, key, ok := strings.Cut(m, "\x00"); ok {
				members = append(members, key)
			}
		}
	}
	slices.Sort(members)
	items, err := v.load(ctx, img, slices.Compact(members), f.matches)
	if err != nil {
		return p, err
	}
	place := func(it Item) redis.Z {
		return redis.Z{Score: float64(f.Sort.score(it.Shipment)), Member: it.Shipment.Key.String()}
	}
	slices.SortFunc(items, func(a, b Item) int { return compare(place(a), place(b), f.Desc) })
	p.Total = len(items)
	if !after.IsZero() {
		items = slices.DeleteFunc(items, func(it Item) bool {
			return !follows(place(it), redis.Z{Score: after.score, Member: after.member}, f.Desc)
		})
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		last := place(items[f.Limit-1])
		p.Next = Pos{score: last.Score, member: last.Member.(string)}.text()
	}
	p.Items = items
	return p, nil
}

// admits reports whether the filter wants anything of an account in a state.
func (f Filter) admits(a shipment.AccountID, s shipment.State) bool {
	return (f.Accounts == nil || slices.Contains(f.Accounts, a)) &&
		(f.States == nil || slices.Contains(f.States, s)) &&
		(f.Flagged == nil || *f.Flagged == s.Flagged()) &&
		(f.DeferredUntil.IsZero() || s == shipment.Deferred)
}

// matches checks a shipment against all but Search.
func (f Filter) matches(s shipment.Shipment) bool {
	return f.admits(s.Account, s.State) &&
		(f.Kind == "" || f.Kind == s.Kind) &&
		(f.Fingerprint == "" || f.Fingerprint == s.Fingerprint) &&
		(f.DeferredUntil.IsZero() || s.Since.UnixMilli() <= f.DeferredUntil.UnixMilli())
}

// text writes a position as a cursor for clients, who must not look into it.
func (p Pos) text() string {
	if p.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", int64(p.score), p.ties, p.member))
}

func parsePos(s string) (Pos, error) {
	if s == "" {
		return Pos{}, nil
	}
	bad := fault.Field("after", "%q does not continue any list: leave it empty to begin anew", s)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Pos{}, bad
	}
	part := strings.SplitN(string(b), " ", 3)
	if len(part) != 3 {
		return Pos{}, bad
	}
	score, err1 := strconv.ParseInt(part[0], 10, 64)
	ties, err2 := strconv.Atoi(part[1])
	if _, err := shipment.ParseKey(part[2]); err != nil || err1 != nil || err2 != nil || ties < 0 {
		return Pos{}, bad
	}
	return Pos{score: float64(score), member: part[2], ties: ties}, nil
}
