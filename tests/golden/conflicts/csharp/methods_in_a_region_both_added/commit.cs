class Meter
{
    #region Reading

    int Read() => port.Read();

    string Unit(Scale scale) => scale.Name;

    #endregion
}
