import React from 'react';

export function Row() {
  return <li />;
}
