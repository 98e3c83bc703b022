package view

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Pos is a place in a queue: just after one member. The zero Pos is the beginning and, as an answer, the end. It stays
// valid while members come and go: none that stays is passed over, none is given twice.
type Pos struct {
	score  float64
	member string
	ties   int // members of the same score up to here, as a hint
}

// IsZero reports whether p is the beginning, or the end when returned.
func (p Pos) IsZero() bool { return p == Pos{} }

// scan pages through one sorted set. Redis has no "after (score, member)", and ranks shift while members leave; so a
// page starts at the last score and skips the ties passed before. An offset is trusted only if the first member it
// finds was passed already, which proves that nothing lies between; otherwise the scan begins at the score again.
type scan struct {
	key    string
	desc   bool
	min    string // inclusive bounds; empty: none
	max    string
	pos    Pos
	offset int
	buf    []redis.Z
	end    bool
}

func newScan(key string, desc bool, after Pos) *scan {
	s := &scan{key: key, desc: desc, pos: after}
	s.offset = max(0, after.ties-1)
	return s
}

// ask queues the command for the next n members.
func (s *scan) ask(ctx context.Context, c redis.Cmdable, n int) *redis.ZSliceCmd {
	by := &redis.ZRangeBy{Min: "-inf", Max: "+inf", Offset: int64(s.offset), Count: int64(n)}
	if s.min != "" {
		by.Min = s.min
	}
	if s.max != "" {
		by.Max = s.max
	}
	if !s.pos.IsZero() {
		from := strconv.FormatFloat(s.pos.score, 'f', -1, 64)
		if s.desc {
			by.Max = from
		} else {
			by.Min = from
		}
	}
	if s.desc {
		return c.ZRevRangeByScoreWithScores(ctx, s.key, by)
	}
	return c.ZRangeByScoreWithScores(ctx, s.key, by)
}

// take digests the answer to ask for n members. It may find that the question must be asked again: then nothing is at
// hand and the end is not reached.
func (s *scan) take(got []redis.Z, n int) {
	if s.offset > 0 && (len(got) == 0 || s.passes(got[0])) {
		s.offset = 0
		return
	}
	fresh := got
	for len(fresh) > 0 && !s.passes(fresh[0]) {
		fresh = fresh[1:]
	}
	if len(fresh) == 0 && len(got) == n {
		s.offset += n - 1 // one overlaps, as the proof above needs it
		return
	}
	s.buf = append(s.buf, fresh...)
	s.end = len(got) < n
	if len(fresh) == 0 {
		return
	}
	// Where this page ends is where the next begins.
	last := fresh[len(fresh)-1]
	ties := 0
	for i := len(got) - 1; i >= 0 && got[i].Score == last.Score; i-- {
		ties++
	}
	if ties == len(got) {
		ties += s.offset
	}
	s.pos = Pos{score: last.Score, member: last.Member.(string), ties: ties}
	s.offset = ties - 1
}

// passes reports whether z comes after the scan's position.
func (s *scan) passes(z redis.Z) bool {
	return s.pos.IsZero() || follows(z, redis.Z{Score: s.pos.score, Member: s.pos.member}, s.desc)
}

// compare orders two members of a set by score, then by text.
func compare(a, b redis.Z, desc bool) int {
	d := cmp.Or(cmp.Compare(a.Score, b.Score), strings.Compare(a.Member.(string), b.Member.(string)))
	if desc {
		return -d
	}
	return d
}

// follows reports whether a comes after b in a set.
func follows(a, b redis.Z, desc bool) bool { return compare(a, b, desc) > 0 }

// minPage is how many members are asked for at least; two is what the overlap needs, more saves round trips.
const minPage = 64

// merge takes members from several sets in one order.
type merge struct {
	scans []*scan
	page  int
	last  Pos // after the member taken last
}

func newMerge(limit int, scans ...*scan) *merge {
	return &merge{scans: scans, page: max(minPage, (limit+1)/max(1, len(scans))+1)}
}

// fill makes sure that every scan has a member at hand or is at its end. All that need it are asked in one round trip.
func (m *merge) fill(ctx context.Context, c redis.Cmdable) error {
	for {
		var asked []*scan
		for _, s := range m.scans {
			if len(s.buf) == 0 && !s.end {
				asked = append(asked, s)
			}
		}
		if len(asked) == 0 {
			return nil
		}
		pipe := c.Pipeline()
		cmds := make([]*redis.ZSliceCmd, len(asked))
		for i, s := range asked {
			cmds[i] = s.ask(ctx, pipe, m.page)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		for i, s := range asked {
			s.take(cmds[i].Val(), m.page)
		}
	}
}

// foremost is the scan whose next member comes first, nil when all are at their end.
func (m *merge) foremost(ctx context.Context, c redis.Cmdable) (*scan, error) {
	if err := m.fill(ctx, c); err != nil {
		return nil, err
	}
	var best *scan
	for _, s := range m.scans {
		if len(s.buf) > 0 && (best == nil || follows(best.buf[0], s.buf[0], s.desc)) {
			best = s
		}
	}
	return best, nil
}

// next takes up to n members.
func (m *merge) next(ctx context.Context, c redis.Cmdable, n int) ([]string, error) {
	var out []string
	for len(out) < n {
		s, err := m.foremost(ctx, c)
		if err != nil {
			return nil, err
		}
		if s == nil {
			break
		}
		z := s.buf[0]
		s.buf = s.buf[1:]
		ties := 1
		if z.Score == m.last.score {
			ties += m.last.ties
		}
		m.last = Pos{score: z.Score, member: z.Member.(string), ties: ties}
		out = append(out, m.last.member)
	}
	return out, nil
}

// place is the position after the last member taken; zero when nothing follows it.
func (m *merge) place(ctx context.Context, c redis.Cmdable) (Pos, error) {
	s, err := m.foremost(ctx, c)
	if err != nil || s == nil {
		return Pos{}, err
	}
	return m.last, nil
}
