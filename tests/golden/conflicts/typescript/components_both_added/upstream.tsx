import React from 'react';

export function Row() {
  return <li />;
}

export function List(props: { rows: string[] }) {
  return <ul>{props.rows}</ul>;
}
