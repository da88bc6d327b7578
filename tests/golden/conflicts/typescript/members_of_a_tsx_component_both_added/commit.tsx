export class Card extends Component {
  title() {
    return <h2>{this.props.title}</h2>;
  }

  private onClick = () => {
    this.setState({ open: true });
  };
}
