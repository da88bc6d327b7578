class Meter
{
    #region Reading

    int Read() => port.Read();

    bool Ready() => port.IsOpen;

    string Unit(Scale scale) => scale.Name;

    #endregion
}
