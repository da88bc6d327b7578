package store

import (
	"context"
	"encoding/json"
	"fmt"
)

func Open() {}
