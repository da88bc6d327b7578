import React from 'react';

export function Row() {
  return <li />;
}

export class Badge extends React.Component {
  render() {
    return <b>new</b>;
  }
}
