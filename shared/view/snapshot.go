package view

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

// A snapshot is the documents of an image, from which another one can be built without reading the ledger: a mark with the
// layout, the epoch, the position, the documents each with its length, a length of zero, and a checksum of it all. Writers
// need not stand still: a shipment that changes while its snapshot is written has an entry after the position, and
// applying that brings it to the same end whichever version was kept.

const snapshotMark = "fertig view " + layout + "\n"

// maxDocument bounds what is read as one document; entries of the ledger are far smaller.
const maxDocument = 16 << 20

// ErrNoSnapshot says that what was read is not a whole snapshot of this ledger: another version of this package wrote it,
// or its writing was cut short, or it belongs to another ledger. The view is then built from the ledger.
var ErrNoSnapshot = errors.New("not a snapshot of this ledger's view")

// Save writes a snapshot of the current image and returns its position.
func (v *View) Save(ctx context.Context, w io.Writer) (Cursor, error) {
	from, err := v.Position(ctx)
	if err != nil {
		return from, err
	}
	if from.IsZero() {
		return from, ErrMoved
	}
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	head := []byte(snapshotMark)
	head = binary.AppendUvarint(head, uint64(len(from.Epoch)))
	head = append(head, from.Epoch...)
	head = binary.AppendUvarint(head, from.Seq)
	if _, err := out.Write(head); err != nil {
		return from, fmt.Errorf("write snapshot of the view: %w", err)
	}
	if err := v.saveDocs(ctx, image(from.Prefix), out); err != nil {
		return from, err
	}
	if err := errors.Join(out.WriteByte(0), out.Flush()); err != nil {
		return from, fmt.Errorf("write snapshot of the view: %w", err)
	}
	if err := binary.Write(w, binary.BigEndian, sum.Sum32()); err != nil {
		return from, fmt.Errorf("write snapshot of the view: %w", err)
	}
	// An image that was replaced meanwhile has lost documents on the way.
	switch at, err := v.Position(ctx); {
	case err != nil:
		return from, err
	case at.Prefix != from.Prefix || at.Epoch != from.Epoch || at.Seq < from.Seq:
		return from, ErrMoved
	}
	return from, nil
}

// saveDocs writes every document once, some twice if they change meanwhile.
func (v *View) saveDocs(ctx context.Context, img image, out *bufio.Writer) error {
	cells, err := readCells(ctx, v.client, img.counts())
	if err != nil {
		return unavailable(err, "read the view for a snapshot")
	}
	for _, c := range cells {
		if c.Kind != "" {
			continue
		}
		members, err := v.client.ZRange(ctx, img.key(cellSet(cellKey(c), BySince)), 0, -1).Result()
		if err != nil {
			return unavailable(err, "read the view for a snapshot")
		}
		for page := range slices.Chunk(members, readPage) {
			docs, err := v.client.HMGet(ctx, img.docs(), page...).Result()
			if err != nil {
				return unavailable(err, "read the view for a snapshot")
			}
			for _, d := range docs {
				doc, ok := d.(string)
				if !ok {
					continue // swept out meanwhile
				}
				_, err := out.Write(binary.AppendUvarint(nil, uint64(len(doc))))
				if _, err2 := out.WriteString(doc); err != nil || err2 != nil {
					return fmt.Errorf("write snapshot of the view: %w", errors.Join(err, err2))
				}
			}
		}
	}
	return nil
}

// Restore fills a fresh image from a snapshot and makes it the current one, as Rebuild does from the ledger, and returns the
// position from which entries are to be applied. It fails with ErrNoSnapshot, the current image untouched, when r is not a
// whole snapshot of the ledger with this epoch or goes beyond lastSeq, its newest entry.
func (v *View) Restore(ctx context.Context, r io.Reader, epoch string, lastSeq uint64, now time.Time) (Cursor, error) {
	in := &summed{in: bufio.NewReaderSize(r, 1<<16), sum: 0}
	seq, err := in.head(epoch)
	if err != nil {
		return Cursor{}, err
	}
	if seq > lastSeq {
		return Cursor{}, fmt.Errorf("%w: it stands at entry %d and the ledger at %d", ErrNoSnapshot, seq, lastSeq)
	}
	return v.build(ctx, epoch, now, func(b *builder) (uint64, error) { return seq, b.restore(in) })
}

// restore takes every document of a snapshot. A shipment that was written twice is taken once, whichever version comes first:
// what changed it meanwhile is applied afterwards.
func (b *builder) restore(in *summed) error {
	for {
		doc, err := in.text(maxDocument)
		if err != nil {
			return err
		}
		if doc == "" {
			return in.end()
		}
		f, _, err := glance(doc)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoSnapshot, err)
		}
		if _, again := b.seen[b.hash.sum(f.member)]; again {
			continue
		}
		if err := b.take(&f, piece{seq: f.seq, doc: doc}); err != nil {
			return err
		}
	}
}

// summed reads and keeps the checksum of what it has read.
type summed struct {
	in  *bufio.Reader
	sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *summed) ReadByte() (byte, error) {
	c, err := s.in.ReadByte()
	if err == nil {
		s.sum = crc32.Update(s.sum, castagnoli, []byte{c})
	}
	return c, err
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.sum = crc32.Update(s.sum, castagnoli, p[:n])
	return n, err
}

func (s *summed) text(most uint64) (string, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil || n > most {
		return "", fmt.Errorf("%w: it is cut short", ErrNoSnapshot)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return "", fmt.Errorf("%w: it is cut short", ErrNoSnapshot)
	}
	return string(b), nil
}

func (s *summed) head(epoch string) (seq uint64, err error) {
	mark := make([]byte, len(snapshotMark))
	if _, err := io.ReadFull(s, mark); err != nil || string(mark) != snapshotMark {
		return 0, fmt.Errorf("%w: another version wrote it", ErrNoSnapshot)
	}
	of, err := s.text(256)
	if err != nil {
		return 0, err
	}
	if of != epoch {
		return 0, fmt.Errorf("%w: it is of another ledger", ErrNoSnapshot)
	}
	if seq, err = binary.ReadUvarint(s); err != nil {
		return 0, fmt.Errorf("%w: it is cut short", ErrNoSnapshot)
	}
	return seq, nil
}

func (s *summed) end() error {
	want := s.sum
	var got uint32
	if err := binary.Read(s, binary.BigEndian, &got); err != nil || got != want {
		return fmt.Errorf("%w: its checksum is wrong", ErrNoSnapshot)
	}
	return nil
}
