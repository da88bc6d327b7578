export class Card extends Component {
  title() {
    return <h2>{this.props.title}</h2>;
  }

  footer() {
    return <small>{this.state.date}</small>;
  }
}
