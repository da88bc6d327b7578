import React from 'react';

export function Row() {
  return <li />;
}

export function List(props: { rows: string[] }) {
  return <ul>{props.rows}</ul>;
}

export class Badge extends React.Component {
  render() {
    return <b>new</b>;
  }
}
