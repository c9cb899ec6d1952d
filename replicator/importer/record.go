package importer

import (
	"encoding/binary"
	"fmt"
)

// The inbox holds one message per record, behind its stream sequence.

func encodeRecord(seq uint64, message []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(message)), seq), message...)
}

func decodeRecord(b []byte) (seq uint64, message []byte, err error) {
	if len(b) < 8 {
		return 0, nil, fmt.Errorf("inbox record of %d bytes", len(b))
	}
	return binary.BigEndian.Uint64(b), b[8:], nil
}
